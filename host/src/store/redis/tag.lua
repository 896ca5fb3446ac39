local NONE = string.rep('\0', 8)

-- Which generation a tag is of, and when it was last invalidated, in microseconds since 1970 or 0.
local function tag(key)
  local state = redis.call('GET', key)
  if not state or #state ~= 16 then
    return NONE, 0
  end
  return string.sub(state, 1, 8), struct.unpack('<I8', state, 9)
end
