-- Stands before each of the scripts. Times are milliseconds since the Unix epoch by this server's clock.

local REPLIES_KEPT = 5000 -- entries of the stream of news; the reply itself stands with its command
local LARGEST_INLINE = 2048 -- bytes of a reply that goes along in the news

local FINAL = { succeeded = true, failed = true, rejected = true, expired = true, unknown = true }

local function text(number)
  return string.format('%.0f', number)
end

local function now_ms()
  local time = redis.call('TIME')
  return time[1] * 1000 + math.floor(time[2] / 1000)
end

local function tell(replies, id, state, step, more)
  redis.call('XADD', replies, 'MAXLEN', '~', REPLIES_KEPT, '*', 'id', id, 'state', state, 'step', step, 'more', more)
end

-- The one place where a command becomes final. The caller has looked at its state.
local function finish(command, id, state, reply, active, replies, keep_ms, now)
  redis.call('HSET', command, 'state', state, 'reply', reply, 'finished', text(now))
  redis.call('PEXPIRE', command, keep_ms)
  redis.call('ZREM', active, id)
  local inline = ''
  if #reply <= LARGEST_INLINE then
    inline = reply
  end
  tell(replies, id, state, 'final', inline)
end
