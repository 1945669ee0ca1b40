/** The local day of a time in Unix seconds, as <input type="date"> writes it. */
export function toDay(seconds: number): string {
  const d = new Date(seconds * 1000)
  return `${d.getFullYear()}-${String(d.getMonth() + 1).padStart(2, '0')}-${String(d.getDate()).padStart(2, '0')}`
}

/** Unix seconds of the beginning of a local day; null, never, for ''. */
export function fromDay(day: string): number | null {
  const [year, month, date] = day.split('-').map(Number)
  return year && month && date ? new Date(year, month - 1, date).getTime() / 1000 : null
}

/** Whether a key is past its time; now in milliseconds. */
export function hasExpired(key: { expired: number | 'undefined' }, now: number): boolean {
  return key.expired !== 'undefined' && key.expired * 1000 <= now
}
