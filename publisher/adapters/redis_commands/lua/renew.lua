-- Goes on with a tenure.
-- KEYS: the fence, the active set
-- ARGV: tenure, identity, lease in ms
-- Answers {'ok', now, writes, how many are active} | {'fenced', owner} | {'other_server'}
local refused = refuse(KEYS[1], ARGV[1], ARGV[2])
if refused then
  return refused
end
local now = now_ms()
redis.call('HSET', KEYS[1], 'until', text(now + tonumber(ARGV[3])))
return { 'ok', text(now), redis.call('HGET', KEYS[1], 'writes') or '0', text(redis.call('ZCARD', KEYS[2])) }
