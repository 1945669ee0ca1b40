/** The parameters of path if it fits pattern ("/clients/:id"), undefined if it doesn't. Parts come decoded. */
export function match(pattern: string, path: string): Record<string, string> | undefined {
  const want = pattern.split('/').filter(Boolean)
  const have = path.split('/').filter(Boolean)
  if (want.length !== have.length) return undefined
  const found: Record<string, string> = {}
  for (const [i, part] of want.entries()) {
    const got = have[i] ?? ''
    if (part.startsWith(':')) found[part.slice(1)] = decode(got)
    else if (part !== got) return undefined
  }
  return found
}

function decode(part: string): string {
  try {
    return decodeURIComponent(part)
  } catch {
    return part // a % that somebody typed
  }
}
