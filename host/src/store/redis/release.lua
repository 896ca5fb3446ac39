-- Deletes the lock if this token holds it, remembers who released it, and wakes who waits.
-- KEYS: the lock, its fence, its channel (a key as well, because a sharded channel belongs to a slot).
-- ARGV: the token, PUBLISH or SPUBLISH.
-- Gives 1 if the lock is free now, 2 if this token released it before, 0 if this token does not hold it.
local token = ARGV[1]
local held = redis.call('GET', KEYS[1]) == token
local last, notes = recall(KEYS[2])
if not last then
  return notes
end

if not held then
  if is_noted(notes, token) then
    return 2
  end
  -- Noted too, as refused: the attempt that is being settled may still be under way on a connection that was given up, and must
  -- find that it comes too late. The '!' keeps a repetition of this call from taking the note for a release. A server out of
  -- memory cannot note it, nor grant that attempt, which changes nothing about the answer.
  local noted = redis.pcall('SET', KEYS[2], remembering(last, with_note(notes, '!' .. token)), 'PX', 86400000)
  if noted.err and not string.find(noted.err, 'OOM', 1, true) then
    return noted
  end
  return 0
end
redis.call('DEL', KEYS[1])
redis.call('SET', KEYS[2], remembering(last, with_note(notes, token)), 'PX', 86400000)

-- A lock that is free is free, even if nobody may be told: this user may have no right to the channel, and servers before 7.0 have
-- no sharded channels.
local told = redis.pcall(ARGV[2], KEYS[3], '')
if type(told) == 'table' and told.err and ARGV[2] ~= 'PUBLISH' then
  redis.pcall('PUBLISH', KEYS[3], '')
end
return 1
