-- Ends a command whose time is over and that nobody has begun to send: for a client that waits for its reply
-- while no collector is there to say so. What is being sent is never touched.
-- KEYS: the command, the active set, the news
-- ARGV: id, the reply to give, how long it is kept in ms, how long the collector goes first in ms
-- Answers {'missing'} | {'final', reply} | {state, ms until it may be expired}
local command, active, replies = KEYS[1], KEYS[2], KEYS[3]
local id, reply, keep, grace = ARGV[1], ARGV[2], ARGV[3], tonumber(ARGV[4])

local known = redis.call('HMGET', command, 'state', 'expires', 'reply', 'stream', 'entry')
local state = known[1]
if not state then
  return { 'missing' }
end
if FINAL[state] then
  return { 'final', known[3] or '' }
end
local now = now_ms()
local left = (tonumber(known[2]) or 0) + grace - now
if left > 0 or state == 'sending' then
  return { state, text(left) }
end
redis.pcall('XDEL', known[4] or '', known[5] or '') -- what stands there may be anything
finish(command, id, 'expired', reply, active, replies, keep, now)
return { 'final', reply }
