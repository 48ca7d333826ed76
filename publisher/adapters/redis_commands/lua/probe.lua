-- What this server is: names and values of INFO, in turn. Also tries a write, on keys that belong to nobody.
-- KEYS: three keys
local wanted = { redis_version = true, run_id = true, role = true, aof_enabled = true, maxmemory = true,
  maxmemory_policy = true }
local answer = {}
for _, section in ipairs({ 'server', 'replication', 'persistence', 'memory' }) do
  local lines = redis.pcall('INFO', section)
  if type(lines) == 'string' then
    for name, value in string.gmatch(lines, '([%w_]+):([^\r\n]*)') do
      if wanted[name] then
        answer[#answer + 1] = name
        answer[#answer + 1] = value
      end
    end
  end
end
redis.call('HSET', KEYS[1], 'probe', text(now_ms()))
redis.call('XADD', KEYS[2], '*', 'id', 'probe')
redis.call('ZADD', KEYS[3], 0, 'probe')
redis.call('DEL', KEYS[1], KEYS[2], KEYS[3])
return answer
