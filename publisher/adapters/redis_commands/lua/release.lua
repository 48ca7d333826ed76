-- Ends a tenure early, so that another need not wait for the lease.
-- KEYS: the fence
-- ARGV: tenure
if redis.call('HGET', KEYS[1], 'tenure') == ARGV[1] then
  redis.call('HSET', KEYS[1], 'until', '0')
end
return { 'ok' }
