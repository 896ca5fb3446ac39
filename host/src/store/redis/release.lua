-- Deletes the lock if this token holds it, remembers who released it, and gives it to who is next.
-- KEYS: the lock, its fence, its queue, its clients alive, what its channels begin with.
-- ARGV: the token, PUBLISH or SPUBLISH, the place that is given up or '', the place that is next or '', 'yield' to let others go before
--   that; the last three only if there is such a place.
-- Gives {1} if the lock is free or another process's now, {3, fence} if it is given to the place that is next, {2} if this token
-- released it before, {0} if this token does not hold it.
local token, withdrawn, place, yields = ARGV[1], ARGV[3] or '', ARGV[4] or '', ARGV[5] == 'yield'
local holder = redis.call('GET', KEYS[1])
local last, notes = recall(KEYS[2])
if not last then
  return notes
end
if told and tonumber(told) > tonumber(last) then
  last = told
end
if withdrawn ~= '' then
  leave(KEYS[3], withdrawn)
end

if holder ~= token then
  if is_noted(notes, '-', token) then
    -- A repetition, as the reply to the first was lost.
    if place ~= '' and holder == read_place(place) then
      return {3, tonumber(last)}
    end
    return {2}
  end
  -- Noted too, as refused: the attempt that is being settled may still be under way on a connection that was given up, and must
  -- find that it comes too late. The '!' keeps a repetition of this call from taking the note for a release. A server out of
  -- memory cannot note it, nor grant that attempt, which changes nothing about the answer.
  local noted = redis.pcall('SET', KEYS[2], last .. with_note(notes, '!', token), 'PX', 86400000)
  if noted.err and not string.find(noted.err, 'OOM', 1, true) then
    return noted
  end
  return {0}
end

redis.call('DEL', KEYS[1])
local fence = tonumber(last)
notes = with_note(notes, '-', token)
local passes, why = place ~= '', nil
if passes and yields then
  local known, first = pcall(function()
    join(KEYS[3], KEYS[4], place)
    return first_place(KEYS[3], KEYS[4], 0)
  end)
  -- It need not wait for those whom nobody can find, but passes nobody who may be there.
  why = not known and reason(first) or nil
  passes = not why and (not known or first == place)
end
if passes then
  leave(KEYS[3], place)
  local next_token, lease, kept = read_place(place)
  grant(KEYS[1], next_token, lease, tonumber(kept))
  fence = after(fence)
else
  local last_told, _, untold = hand_on_if_possible(KEYS[1], KEYS[3], KEYS[4], KEYS[5], ARGV[2], fence, deaf)
  fence, why = last_told, untold or why
end
redis.call('SET', KEYS[2], digits(fence) .. notes, 'PX', 86400000)
if passes then
  return {3, fence}
end
return {1, why}
