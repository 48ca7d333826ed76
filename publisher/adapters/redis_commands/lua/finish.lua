-- Gives final replies. A command that this server has forgotten (its data went back) is written anew.
-- KEYS: the fence, the active set, the news
-- ARGV: tenure, owner, the prefix of keys, how long replies are kept in ms, then for each: id, state, reply, body,
--   client, action
-- Answers {'ok', writes, verdict, …}; a verdict is "done", "already" (the same reply stood there), "other" (a
--   different final one did) or "not_ours"
local fence, active, replies = KEYS[1], KEYS[2], KEYS[3]
local tenure, owner, prefix, keep = ARGV[1], ARGV[2], ARGV[3], ARGV[4]

-- A command claimed in an earlier turn of the same owner is still its own: nobody has taken it over.
local function is_owners(claimed_in, name)
  return claimed_in and string.sub(claimed_in, -#name - 1) == ':' .. name
end

local ours = redis.call('HGET', fence, 'tenure') == tenure
local now = now_ms()
local answer = { 'ok', '0' }
for index = 5, #ARGV, 6 do
  local id, state, reply, body = ARGV[index], ARGV[index + 1], ARGV[index + 2], ARGV[index + 3]
  local command = prefix .. 'command:' .. id
  local known = fields(command, 'state', 'tenure', 'reply', 'stream', 'entry')
  local verdict = 'done'
  if not known then
    verdict = 'not_ours' -- somebody has put something else in its place
  elseif known[1] and FINAL[known[1]] then
    verdict = known[3] == reply and 'already' or 'other'
  elseif known[1] and not is_owners(known[2], owner) and not (ours and known[1] == 'queued') then
    verdict = 'not_ours'
  elseif not known[1] and not ours then
    verdict = 'not_ours'
  else
    if not known[1] then
      redis.call('HSET', command, 'body', body, 'client', ARGV[index + 4], 'action', ARGV[index + 5])
    elseif known[1] == 'queued' then
      redis.pcall('XDEL', known[4] or '', known[5] or '')
    end
    finish(command, id, state, reply, active, replies, keep, now)
  end
  answer[#answer + 1] = verdict
end
if ours then
  answer[2] = text(count_write(fence))
end
return answer
