-- Asks that a command be not sent. The collector answers it; what is being sent cannot be called back.
-- KEYS: the command, the stream of cancellations
-- ARGV: id
-- Answers {'missing'} | {'final', state} | {'late', state} | {'asked', state}
local command, cancels = KEYS[1], KEYS[2]
local id = ARGV[1]

local state = redis.call('HGET', command, 'state')
if not state then
  return { 'missing' }
end
if FINAL[state] then
  return { 'final', state }
end
if state == 'sending' then
  return { 'late', state }
end
redis.call('HSET', command, 'cancel', '1')
redis.call('XADD', cancels, 'MAXLEN', '~', 10000, '*', 'id', id)
return { 'asked', state }
