-- What is remembered of a lock, in the key of its fence: '<fence> <note> <note> …', newest note first. A note is a token that
-- released the lock, or '!' and a token that was given up without having it.
local NOTES = 8

local function recall(key)
  local kept = redis.call('GET', key)
  if not kept then
    return '0', ''
  end
  local fence, notes = string.match(kept, '^(%d+) ?(.*)$')
  return fence or '0', notes or ''
end

local function is_noted(notes, note)
  return string.find(' ' .. notes .. ' ', ' ' .. note .. ' ', 1, true) ~= nil
end

-- The notes with one more. Only the last few are kept: they are for requests that were lost or late, not for ever.
local function with_note(notes, note)
  local all, count = note, 1
  for old in string.gmatch(notes, '%S+') do
    if count == NOTES then
      break
    end
    if old ~= note then
      all, count = all .. ' ' .. old, count + 1
    end
  end
  return all
end

-- The clock makes fences rise even if the last one was lost, in a failover for example; the last one makes them rise even if the
-- clock was set back.
local function after(last)
  local time = redis.call('TIME')
  return math.max(last + 1, tonumber(time[1]) * 1000000 + tonumber(time[2]))
end

-- A fence as text: '%.0f', because a number of this size would turn into one with an exponent.
local function digits(fence)
  return string.format('%.0f', fence)
end

local function remembering(fence, notes)
  return notes == '' and fence or fence .. ' ' .. notes
end

