export interface Stat {
  name: string
  now: number
  most: number | undefined
}

/** Stats by name: connections.count and connections.max are one. */
export function pairs(stats: Record<string, number>): Stat[] {
  return Object.entries(stats)
    .filter(([name]) => name.endsWith('.count'))
    .map(([name, now]) => {
      const bare = name.slice(0, -'.count'.length)
      return { name: bare, now, most: stats[`${bare}.max`] }
    })
    .toSorted((a, b) => a.name.localeCompare(b.name))
}

/** The metrics with some text in their names, in the order of these. */
export function selected(metrics: Record<string, number>, search: string, withZero: boolean): [string, number][] {
  return Object.entries(metrics)
    .filter(([name, n]) => (withZero || n !== 0) && name.includes(search.trim().toLowerCase()))
    .toSorted(([a], [b]) => a.localeCompare(b))
}
