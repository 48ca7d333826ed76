-- Takes commands out of the streams, interactive ones first; the command's own state decides, not the stream.
-- KEYS: the fence, the two streams, the active set, the cancellations
-- ARGV: tenure, identity, owner, at most so many, the prefix of keys, the largest body, and up to which entry of each
--   stream ("+": all)
-- Answers {'ok', now, writes, {ids to cancel}, {commands}, how many entries were looked at} or what `refuse` answers
local fence, active, cancels = KEYS[1], KEYS[4], KEYS[5]
local tenure, owner, limit, prefix, largest = ARGV[1], ARGV[3], tonumber(ARGV[4]), ARGV[5], tonumber(ARGV[6])

local refused = refuse(fence, tenure, ARGV[2])
if refused then
  return refused
end
local now = now_ms()
local cancelled, claimed, looked = {}, {}, 0
for _, entry in ipairs(redis.call('XRANGE', cancels, '-', '+', 'COUNT', 100)) do
  cancelled[#cancelled + 1] = entry[2][2]
  redis.call('XDEL', cancels, entry[1])
end
for index = 2, 3 do
  local room = limit - looked
  if room > 0 then
    for _, entry in ipairs(redis.call('XRANGE', KEYS[index], '-', ARGV[index + 5], 'COUNT', room)) do
      looked = looked + 1
      local id = entry[2][2]
      local command = prefix .. 'command:' .. id
      local known = fields(command, 'state')
      if known and known[1] == 'queued' then
        redis.call('HSET', command, 'state', 'claimed', 'tenure', tenure, 'owner', owner)
        redis.call('ZADD', active, text(now), id)
        claimed[#claimed + 1] = described(command, id, largest)
      end
      redis.call('XDEL', KEYS[index], entry[1])
    end
  end
end
local writes = '0'
if #claimed > 0 or #cancelled > 0 then
  writes = text(count_write(fence))
end
return { 'ok', text(now), writes, cancelled, claimed, text(looked) }
