-- Takes over what is claimed and not over, a page at a time: after a crash, or where an answer got lost.
-- KEYS: the fence, the active set
-- ARGV: tenure, identity, the prefix of keys, the largest body, from, how many
-- Answers {'ok', now, writes, how many were looked at, how many of them stay, {commands}} or what `refuse` answers
local fence, active = KEYS[1], KEYS[2]
local tenure, prefix, largest = ARGV[1], ARGV[3], tonumber(ARGV[4])
local first, count = tonumber(ARGV[5]), tonumber(ARGV[6])

local refused = refuse(fence, tenure, ARGV[2])
if refused then
  return refused
end
local found, gone = {}, {}
local ids = redis.call('ZRANGE', active, first, first + count - 1)
for _, id in ipairs(ids) do
  local command = prefix .. 'command:' .. id
  local known = fields(command, 'state') or {}
  if not known[1] or FINAL[known[1]] then
    gone[#gone + 1] = id
  else
    found[#found + 1] = described(command, id, largest)
    redis.call('HSET', command, 'tenure', tenure)
  end
end
for _, id in ipairs(gone) do
  redis.call('ZREM', active, id)
end
local writes = '0'
if #found > 0 then
  writes = text(count_write(fence))
end
return { 'ok', text(now_ms()), writes, text(#ids), text(#ids - #gone), found }
