-- Takes the lock away from a holder that was seen, if it is still the same, and gives it to who is next.
-- KEYS: the lock, its fence, its queue, its clients alive, what its channels begin with.
-- ARGV: the digest of the holder's token, PUBLISH or SPUBLISH.
-- Gives {1, fence up to which all are stale, 1 if somebody has the lock now or else 0}, {0} if nobody held it any more, {2} if
-- somebody else does; and behind it why those who wait could not be told, if so.
local seen = ARGV[1]
local holder = redis.call('GET', KEYS[1])
local last, notes = recall(KEYS[2])
if not last then
  return notes
end
if not holder or redis.sha1hex(holder) ~= seen then
  -- A repetition, as the reply to the first was lost.
  if is_noted(notes, '~', seen) then
    -- What is held since has the last fence.
    return {1, tonumber(last) - (holder and 1 or 0), holder and 1 or 0}
  end
  return {holder and 2 or 0}
end

-- Before all else: a server out of memory refuses only the first write of a script, and never this one.
redis.call('DEL', KEYS[1])
local stale = after(tonumber(last))
notes = with_note(notes, '~', seen)
-- An attempt of the holder may still be under way, and must find that it comes too late. What is no word cannot be noted, and is
-- not ours.
if string.find(holder, '^[!-~]+$') then
  notes = with_note(notes, '!', holder)
end
local told, given, why = hand_on_if_possible(KEYS[1], KEYS[3], KEYS[4], KEYS[5], ARGV[2], stale)
redis.call('SET', KEYS[2], digits(told) .. notes, 'PX', 86400000)
return {1, stale, given and 1 or 0, why}
