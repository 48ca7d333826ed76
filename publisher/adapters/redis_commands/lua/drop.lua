-- Lets go of what is claimed under an id that no answer can reach; its hash goes when replies do.
-- KEYS: the fence, the active set
-- ARGV: tenure, identity, the prefix of keys, how long a hash is kept in ms, then the ids
-- Answers {'ok', now, writes} or what `refuse` answers
local fence, active = KEYS[1], KEYS[2]
local tenure, prefix, keep = ARGV[1], ARGV[3], ARGV[4]

local refused = refuse(fence, tenure, ARGV[2])
if refused then
  return refused
end
for index = 5, #ARGV do
  redis.call('ZREM', active, ARGV[index])
  redis.call('PEXPIRE', prefix .. 'command:' .. ARGV[index], keep)
end
return { 'ok', text(now_ms()), text(count_write(fence)) }
