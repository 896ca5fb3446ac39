-- What is remembered of a lock, in the key of its fence: '<fence> <note> <note> …', newest note first. A note is a token that
-- released the lock, '!' and a token that was given up without having it, or '~' and the digest of one whose lock was broken.
-- As many older notes as are kept beside a new one.
local OLDER = '^%S+' .. string.rep(' %S+', 6)

-- The largest number that a script can count up from without losing any.
local MOST = 9007199254740991

-- For how long a lock is remembered beyond its lease, in ms. By its fence it is found by who looks for held locks.
local DAY = 86400000

-- Gives the fence and the notes, or no fence and the error to answer, which names this key rather than the lock's.
local function recall(key)
  local kept = redis.pcall('GET', key)
  if not kept then
    return '0', ''
  end
  if type(kept) == 'table' then
    if string.find(kept.err, 'WRONGTYPE', 1, true) then
      return nil, redis.error_reply('BADFENCE it is kept for the fence of a lock, and is no string')
    end
    return nil, kept
  end
  local fence, notes = string.match(kept, '^(%d+) ?(.*)$')
  if fence and tonumber(fence) > MOST then
    return nil, redis.error_reply('BADFENCE it is kept for the fence of a lock, and no fence is larger than this number')
  end
  -- What is no number is as good as lost.
  return fence or '0', notes or ''
end

-- Nearly always the token is in no note at all, which one search tells.
local function is_noted(notes, note)
  return string.find(notes, note, 1, true) and string.find(' ' .. notes .. ' ', ' ' .. note .. ' ', 1, true) ~= nil
end

-- The notes with one more. Only the last few are kept: they are for requests that were lost or late, not for ever.
local function with_note(notes, note)
  if notes == '' or is_noted(notes, note) then
    return notes == '' and note or notes
  end
  return note .. ' ' .. (string.match(notes, OLDER) or notes)
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


-- Keeps what is remembered of a lock that is held for a lease in ms, or '' for no end.
local function remember(key, fence, notes, lease)
  if lease == '' then
    redis.call('SET', key, remembering(fence, notes))
  else
    redis.call('SET', key, remembering(fence, notes), 'PX', digits(DAY + lease))
  end
end
