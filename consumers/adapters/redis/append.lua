-- Adds events to a stream, each once as far back as the window reaches.
-- KEYS: the stream; a sorted set of the ids that were added lately, by their turn (same hash slot)
-- ARGV: most entries of the stream; most ids in the window (0: none); then id, key, type and body of each event
-- An id is noted after its entry was added: what fails in between is added again, never left out.
local most, window = ARGV[1], tonumber(ARGV[2])
local turn = 0
if window > 0 then
    local last = redis.call('ZREVRANGE', KEYS[2], 0, 0, 'WITHSCORES')
    turn = tonumber(last[2] or '0')
end
local added = 0
for at = 3, #ARGV, 4 do
    local id = ARGV[at]
    if window == 0 or not redis.call('ZSCORE', KEYS[2], id) then
        redis.call('XADD', KEYS[1], 'MAXLEN', '~', most, '*',
            'id', id, 'key', ARGV[at + 1], 'type', ARGV[at + 2], 'body', ARGV[at + 3])
        added = added + 1
        if window > 0 then
            turn = turn + 1
            redis.call('ZADD', KEYS[2], turn, id)
        end
    end
end
if added > 0 and window > 0 then
    redis.call('ZREMRANGEBYRANK', KEYS[2], 0, -window - 1)
end
return added
