-- Puts a command into the queue, once. The id is the idempotency key.
-- KEYS: the command, its stream, the stream of the other priority, the fence
-- ARGV: id, body, at, ttl in ms, signature, client, action, priority, how long the reply is kept in ms
-- Answers {'queued', expires at, depth} | {'known', state, expires at} | {'conflict', state} | {'full', depth, limit}
--   | {'oversize', largest}
local command, stream, other, fence = KEYS[1], KEYS[2], KEYS[3], KEYS[4]
local id, body, ttl, keep = ARGV[1], ARGV[2], tonumber(ARGV[4]), tonumber(ARGV[9])
local LARGEST_BODY = 65536
local DEPTH_LIMIT = 10000 -- where no collector has said another

if #body > LARGEST_BODY then
  return { 'oversize', text(LARGEST_BODY) }
end
local known = redis.call('HMGET', command, 'state', 'body', 'expires')
if known[1] then
  if known[2] ~= body then
    return { 'conflict', known[1] }
  end
  return { 'known', known[1], text(math.min(tonumber(known[3]) or 0, 1e15)) }
end
local depth = redis.call('XLEN', stream) + redis.call('XLEN', other)
local limit = tonumber(redis.call('HGET', fence, 'max_depth')) or DEPTH_LIMIT
local now = now_ms()
if depth >= limit then
  -- With no collector there, what its client has ended, or nobody remembers, is still here: it makes room. What is
  -- only expired stays: a collector owes it an answer.
  local prefix = string.sub(command, 1, #command - #id)
  for _, old in ipairs({ stream, other }) do
    for _, entry in ipairs(redis.call('XRANGE', old, '-', '+', 'COUNT', 100)) do
      local state = redis.pcall('HGET', prefix .. tostring(entry[2][2]), 'state')
      if state ~= 'queued' then
        redis.call('XDEL', old, entry[1])
        depth = depth - 1
      end
    end
  end
end
if depth >= limit then
  return { 'full', text(depth), text(limit) }
end
local expires = text(now + ttl)
local entry = redis.call('XADD', stream, '*', 'id', id, 'expires', expires)
redis.call('HSET', command, 'state', 'queued', 'body', body, 'at', ARGV[3], 'ttl', ARGV[4], 'signature', ARGV[5],
  'client', ARGV[6], 'action', ARGV[7], 'priority', ARGV[8], 'queued', text(now), 'expires', expires,
  'stream', stream, 'entry', entry)
redis.call('PEXPIRE', command, text(ttl + keep))
return { 'queued', expires, text(depth + 1) }
