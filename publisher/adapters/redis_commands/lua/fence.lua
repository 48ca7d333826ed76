-- Stands between the prelude and each script of the collector: who may send, and which server this is.

-- A tenure is `epoch:owner`: whoever claimed a command stands in it by that, and nobody else may send it.

-- Which run of which server, holding which data: another after a restart, a failover or a full resync.
local function identity()
  local server, replication = redis.pcall('INFO', 'server'), redis.pcall('INFO', 'replication')
  if type(server) ~= 'string' or type(replication) ~= 'string' then
    return 'unnamed' -- no INFO here (an embedded server, or no right to it): the fence's counters must do
  end
  local run, data = string.match(server, 'run_id:(%w+)'), string.match(replication, 'master_replid:(%w+)')
  return (run or '') .. ':' .. (data or '')
end

-- An answer that refuses, unless this is still the tenure and the server that the caller means.
local function refuse(fence, tenure, known_identity)
  local kept = redis.call('HMGET', fence, 'tenure', 'owner')
  if kept[1] ~= tenure then
    return { 'fenced', kept[2] or '' }
  end
  if identity() ~= known_identity then
    return { 'other_server' }
  end
  return nil
end

-- Counts the collector's own writes: fewer than it remembers means that the data went back in time.
local function count_write(fence)
  return redis.call('HINCRBY', fence, 'writes', 1)
end

-- Fields of a command; nil where its key is no hash: anybody may have put something there, and it must not hold up
-- the others.
local function fields(command, ...)
  local found = redis.pcall('HMGET', command, ...)
  if not found.err then
    return found
  end
  if not string.find(tostring(found.err), 'WRONGTYPE', 1, true) then
    redis.call('HMGET', command, ...) -- the same again: every other error is one
  end
  return nil
end

local WANTED = { 'state', 'body', 'at', 'ttl', 'signature', 'queued', 'expires', 'owner', 'cancel', 'entry', 'priority', 'client', 'action' }

local LARGEST_OTHER = 300 -- of what is no body: the longest signature, id, client and name of an action are shorter

-- One command as the collector reads it; what is oversize stays where it is, and is empty here.
local function described(command, id, largest)
  local found = redis.call('HMGET', command, unpack(WANTED))
  local answer = { id }
  for index, name in ipairs(WANTED) do
    local value = found[index] or ''
    if #value > (name == 'body' and largest or LARGEST_OTHER) then
      value = ''
    end
    answer[index + 1] = value
  end
  return answer
end
