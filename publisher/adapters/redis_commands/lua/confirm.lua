-- Everything older has been dealt with: the data is trusted from here on.
-- KEYS: the fence
-- ARGV: tenure, identity
-- Answers {'ok', now, writes} or what `refuse` answers
local refused = refuse(KEYS[1], ARGV[1], ARGV[2])
if refused then
  return refused
end
redis.call('HSET', KEYS[1], 'doubt', '')
return { 'ok', text(now_ms()), text(count_write(KEYS[1])) }
