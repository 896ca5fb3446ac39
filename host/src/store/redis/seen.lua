-- What is told of a lock that is held: {last fence or '', waiters, how many hold it}, and of each holder, one after the other: its
-- share as shared.lua has it, or '-'; its label or ''; the digest of its token; what is left of its lease in ms, or -1; its fence or ''.

local OURS = '^' .. string.rep('[0-9a-f]', 32) .. '@(.*)$'

local function seen_of(fence, queue, count)
  local kept = redis.pcall('GET', fence)
  local last = type(kept) == 'string' and string.match(kept, '^%d+')
  local waiters = redis.pcall('ZCARD', queue)
  return {last or '', type(waiters) == 'number' and waiters or 0, count}
end

local function tell_of(seen, share, token, left, fence)
  -- 32 hexadecimal digits, '@', and a label: one of ours. Whether the label is one is for the reader to say.
  local told = {share, string.match(token, OURS) or '', redis.sha1hex(token), left, fence}
  for _, part in ipairs(told) do
    seen[#seen + 1] = part
  end
end
