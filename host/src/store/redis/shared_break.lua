-- Takes the lock away from a holder that was seen, if it is still one, and gives it to as many of those who wait as fit.
-- KEYS: as of shared_acquire.lua.  ARGV: as of break.lua.  Gives what that gives; 1 if somebody who waited has the lock now.
local seen, publish = ARGV[1], ARGV[2]
local last, notes = recall(KEYS[2])
if not last then
  return notes
end
drop_ended(KEYS[1], KEYS[6])
local member
local members = redis.call('ZRANGE', KEYS[1], 0, -1)
for _, other in ipairs(members) do
  if redis.sha1hex(string.sub(other, 3)) == seen then
    member = other
    break
  end
end
if not member then
  -- A repetition, as the reply to the first was lost.
  if is_noted(notes, '~', seen) then
    return {1, tonumber(last), 0}
  end
  return {#members > 0 and 2 or 0}
end

let_go(KEYS[1], KEYS[6], member)
local stale = after(tonumber(last))
-- As in break.lua.
notes = with_note(notes, '~', seen)
local token = string.sub(member, 3)
if string.find(token, '^[!-~]+$') then
  notes = with_note(notes, '!', token)
end
local told, given, why = hand_out_if_possible(KEYS[1], KEYS[6], KEYS[3], KEYS[4], KEYS[5], publish, stale)
redis.call('SET', KEYS[2], digits(told) .. notes, 'PX', 86400000)
return {1, stale, given and 1 or 0, why}
