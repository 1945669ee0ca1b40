// Sums and rates of what nodes count.

export interface Sample {
  /** Unix milliseconds. */
  at: number
  values: Record<string, number>
}

/** The sum over nodes of each figure. */
export function total(nodes: readonly Record<string, number>[]): Record<string, number> {
  const sum: Record<string, number> = {}
  for (const figures of nodes) {
    for (const [name, n] of Object.entries(figures)) {
      if (typeof n === 'number') sum[name] = (sum[name] ?? 0) + n
    }
  }
  return sum
}

/** How much a counter rose per second; null if that can't be said: the broker was restarted, or there is one sample. */
export function rate(before: Sample | undefined, now: Sample | undefined, name: string): number | null {
  if (!before || !now) return null
  const seconds = (now.at - before.at) / 1000
  const rise = (now.values[name] ?? 0) - (before.values[name] ?? 0)
  return seconds > 0 && rise >= 0 ? rise / seconds : null
}

/** Bytes of a size as EMQ X writes it, "1.52G"; undefined if it isn't one. */
export function parseSize(text: string | undefined): number | undefined {
  const m = /^([\d.]+)([KMGT]?)$/.exec(text ?? '')
  if (!m) return undefined
  const n = Number(m[1]) * 1024 ** ' KMGT'.indexOf(m[2] || ' ')
  return Number.isNaN(n) ? undefined : n
}
