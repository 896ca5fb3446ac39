-- Lets go of this token's share of the lock, remembers who released it, and gives the lock to as many of those who wait as fit.
-- KEYS and ARGV: as of release.lua, all of them, the fences of its holders, and the share; nobody is passed the lock before others. Gives what that gives.
local token, publish, withdrawn, share = ARGV[1], ARGV[2], ARGV[3], ARGV[6]
local last, notes = recall(KEYS[2])
if not last then
  return notes
end
if withdrawn ~= '' then
  leave(KEYS[3], withdrawn)
end
drop_ended(KEYS[1], KEYS[6])
local held = let_go(KEYS[1], KEYS[6], holder(share, token))
local before = not held and is_noted(notes, '-', token)
if not before then
  notes = with_note(notes, held and '-' or '!', token)
end
-- Also if it did not hold the lock: those behind a place that was given up may fit where it did not.
local fence, _, why = hand_out_if_possible(KEYS[1], KEYS[6], KEYS[3], KEYS[4], KEYS[5], publish, tonumber(last))
local noted = redis.pcall('SET', KEYS[2], digits(fence) .. notes, 'PX', 86400000)
-- A server out of memory cannot note it, nor grant an attempt that is still under way, which changes nothing about the answer.
if noted.err and not string.find(noted.err, 'OOM', 1, true) then
  return noted
end
return {held and 1 or before and 2 or 0, why}
