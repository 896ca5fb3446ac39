-- Gives the lock that the old token holds to the new one, with a new fence: whoever handed it over, and whoever else was given the
-- old token, holds it no more.
-- KEYS: the lock, its fence.  ARGV: the old token, the new one.
-- Gives {fence, time left in ms, or -1 for a lock without lease}, or {} if neither token holds the lock.
local old, new = ARGV[1], ARGV[2]
local holder = redis.call('GET', KEYS[1])
local last, notes = recall(KEYS[2])
if not last then
  return notes
end
local fence = tonumber(last)

-- A repetition, as the reply to the first was lost.
if holder == new and fence ~= 0 then
  return {fence, redis.call('PTTL', KEYS[1])}
end
-- One that was settled by a release comes too late, and the lock stays with the old token.
if holder ~= new and (holder ~= old or is_settled(notes, new)) then
  return {}
end

-- The lock before all else: a server out of memory refuses only the first write of a script, and then nothing has changed.
redis.call('SET', KEYS[1], new, 'KEEPTTL')
fence = after(fence)
-- An attempt of the old token may still be under way, and must find that it comes too late.
local left = redis.call('PTTL', KEYS[1])
remember(KEYS[2], digits(fence), with_note(notes, '!', old), left < 0 and '' or left)
return {fence, left}
