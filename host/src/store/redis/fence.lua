-- What is remembered of a lock, in the key of its fence: the fence, and notes of one width, newest first. A note is a space, a sign and
-- the first digits of a token or digest, of which no two begin alike but by a chance of 1 in 2^64. The signs: '-' for a token that released
-- the lock, '!' for one that was given up without having it, '~' for the digest of one whose lock was broken.
local DIGITS, OLDER = '%-16.16s', 7 * 18

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
  local fence, notes = string.match(kept, '^(%d+)(.*)$')
  if fence and tonumber(fence) > MOST then
    return nil, redis.error_reply('BADFENCE it is kept for the fence of a lock, and no fence is larger than this number')
  end
  -- What is no number is as good as lost.
  return fence or '0', notes or ''
end

-- Before 0.2.0 a token that released the lock was noted whole and without a sign.
local function is_noted(notes, sign, token)
  local first = string.format(DIGITS, token)
  return string.find(notes, ' ' .. sign .. first, 1, true) ~= nil or sign == '-' and string.find(notes, ' ' .. first, 1, true) ~= nil
end

-- Whether the token was settled by a release, so that an attempt of it comes too late.
local function is_settled(notes, token)
  return string.find(notes, string.format(DIGITS, token), 1, true) ~= nil
end

-- The notes with one more. Only the last few are kept: they are for requests that were lost or late, not for ever.
local function with_note(notes, sign, token)
  if is_noted(notes, sign, token) then
    return notes
  end
  return ' ' .. sign .. string.format(DIGITS, token) .. string.sub(notes, 1, OLDER)
end

-- The clock makes fences rise even if the last one was lost, in a failover for example; the last one makes them rise even if the
-- clock was set back.
local function after(last)
  return math.max(last + 1, micros())
end

-- A fence as text: '%.0f', because a number of this size would turn into one with an exponent.
local function digits(fence)
  return string.format('%.0f', fence)
end

-- Keeps what is remembered of a lock that is held for a lease in ms, or '' for no end.
local function remember(key, fence, notes, lease)
  if lease == '' then
    redis.call('SET', key, fence .. notes)
  else
    redis.call('SET', key, fence .. notes, 'PX', digits(DAY + lease))
  end
end
