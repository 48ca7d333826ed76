-- The last look before the first byte goes to the PBX: is each still ours, in time and wanted?
-- KEYS: the fence, the news
-- ARGV: tenure, identity, owner, the prefix of keys, lease in ms, then the ids. The lease begins anew.
-- Answers {'ok', now, writes, {verdict, ms left}, …} or what `refuse` answers; a verdict is "send", "expired",
--   "cancelled", "not_ours" or "gone". Asked again after a lost answer it says the same; what another collector has
--   marked as sent is not ours, though its turn is over and this one has taken it over.
local fence, replies = KEYS[1], KEYS[2]
local tenure, owner, prefix, lease = ARGV[1], ARGV[3], ARGV[4], tonumber(ARGV[5])

local refused = refuse(fence, tenure, ARGV[2])
if refused then
  return refused
end
local now = now_ms()
redis.call('HSET', fence, 'until', text(now + lease))
local answer = { 'ok', text(now), text(count_write(fence)) }
for index = 6, #ARGV do
  local id = ARGV[index]
  local command = prefix .. 'command:' .. id
  local known = fields(command, 'state', 'tenure', 'expires', 'cancel', 'owner') or {}
  local state, left = known[1], (tonumber(known[3]) or 0) - now
  local verdict = 'send'
  if not state then
    verdict = 'gone'
  elseif known[2] ~= tenure or not (state == 'claimed' or state == 'sending' and known[5] == owner) then
    verdict = 'not_ours'
  elseif left <= 0 then
    verdict = 'expired'
  elseif known[4] and state == 'claimed' then
    verdict = 'cancelled'
  elseif state == 'claimed' then
    redis.call('HSET', command, 'state', 'sending', 'sending', text(now), 'owner', owner)
    tell(replies, id, 'sending', 'sending', '')
  end
  answer[#answer + 1] = { verdict, text(left) }
end
return answer
