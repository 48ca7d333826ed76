-- Begins a turn: from now on this owner alone sends, until its lease is over.
--
-- Whether the data may be trusted is judged here, and the doubt stays written down until `confirm` takes it away:
--   nothing there, and the owner remembers nothing   a new queue: trusted
--   nothing there, though it had a turn              the data is gone
--   the same server without a restart                trusted, unless the owner's own writes are missing
--   another server or a restart                      trusted only if the fence is the owner's own last one with all
--                                                    its writes, and it was away for less than a lease, so that
--                                                    nobody else can have had a turn that is forgotten now
--
-- KEYS: the fence, the two streams
-- ARGV: owner, lease in ms, the depth limit to announce, and what the owner remembers: epoch, writes, when it last
--   had an answer in ms, whether nothing can have happened since ("1")
-- Answers {'taken', epoch, now, identity, writes, last entry of each stream, doubt} | {'held', owner, ms left}
local fence = KEYS[1]
local owner, lease = ARGV[1], tonumber(ARGV[2])
local known_epoch, known_writes, seen, exact = tonumber(ARGV[4]), tonumber(ARGV[5]), tonumber(ARGV[6]), ARGV[7] == '1'
local CLOCK_MARGIN = 2000 -- two servers' clocks may differ by this much

local kept = redis.call('HMGET', fence, 'epoch', 'owner', 'until', 'identity', 'writes', 'doubt', 'lease')
local now = now_ms()
local left = (tonumber(kept[3]) or 0) - now
-- More than its lease is left only where the clock went back.
local most = (tonumber(kept[7]) or lease) + CLOCK_MARGIN
if kept[2] and kept[2] ~= owner and left > 0 and left <= most then
  return { 'held', kept[2], text(left) }
end

local epoch, writes = tonumber(kept[1]) or 0, tonumber(kept[5]) or 0
local here = identity()
local ours = kept[2] == owner
local away = now - seen
local doubt = ''
if not kept[1] then
  if known_epoch > 0 then
    doubt = 'its data is gone'
  end
elseif ours and (writes < known_writes or epoch < known_epoch) then
  doubt = 'its data has gone back in time'
elseif kept[4] ~= here and not (ours and exact and epoch == known_epoch and away > -CLOCK_MARGIN
    and away < lease - CLOCK_MARGIN) then
  doubt = 'it was restarted or replaced, and what it forgot cannot be told'
end
if doubt == '' then
  doubt = kept[6] or ''
end

epoch = text(math.max(epoch, known_epoch) + 1)
redis.call('HSET', fence, 'epoch', epoch, 'owner', owner, 'until', text(now + lease), 'lease', text(lease),
  'identity', here,
  'max_depth', ARGV[3], 'tenure', epoch .. ':' .. owner, 'doubt', doubt)
local last = {}
for index = 1, 2 do
  local entry = redis.call('XREVRANGE', KEYS[index + 1], '+', '-', 'COUNT', 1)[1]
  last[index] = entry and entry[1] or '0-0'
end
return { 'taken', epoch, text(now), here, text(count_write(fence)), last[1], last[2], doubt }
