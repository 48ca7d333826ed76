-- Begins a tenure: from now on this owner alone sends, until its lease is over.
-- KEYS: the fence, the two streams
-- ARGV: owner, lease in ms, the last epoch that the owner remembers, the depth limit to announce
-- Answers {'taken', epoch, now, identity, epoch/owner/identity/writes before, last entry of each stream}
--   | {'held', owner, ms left}
local fence = KEYS[1]
local owner, lease, known_epoch = ARGV[1], tonumber(ARGV[2]), tonumber(ARGV[3])

local kept = redis.call('HMGET', fence, 'epoch', 'owner', 'until', 'identity', 'writes')
local now = now_ms()
local left = tonumber(kept[3] or '0') - now
if kept[2] and kept[2] ~= owner and left > 0 then
  return { 'held', kept[2], text(left) }
end
local epoch = text(math.max(tonumber(kept[1] or '0'), known_epoch) + 1)
local here = identity()
redis.call('HSET', fence, 'epoch', epoch, 'owner', owner, 'until', text(now + lease), 'identity', here,
  'max_depth', ARGV[4], 'tenure', epoch .. ':' .. owner)
count_write(fence)
local last = {}
for index = 1, 2 do
  local entry = redis.call('XREVRANGE', KEYS[index + 1], '+', '-', 'COUNT', 1)[1]
  last[index] = entry and entry[1] or '0-0'
end
return { 'taken', epoch, text(now), here, kept[1] or '', kept[2] or '', kept[4] or '', kept[5] or '0', last[1], last[2] }
