import { language, locale } from './i18n'

// Numbers, sizes and times as people write them in the language of the moment.
// Each takes undefined and null, for which it writes a dash.

type Maybe<T> = T | null | undefined
export const none = '–'

const formats = new Map<string, Intl.NumberFormat>()

function numbers(options: Intl.NumberFormatOptions): Intl.NumberFormat {
  const key = locale() + JSON.stringify(options)
  let f = formats.get(key)
  if (!f) formats.set(key, (f = new Intl.NumberFormat(locale(), options)))
  return f
}

const missing = (n: Maybe<number>): n is null | undefined => n === null || n === undefined || Number.isNaN(n)

/** 1,234,567 */
export function count(n: Maybe<number>): string {
  return missing(n) ? none : numbers({ maximumFractionDigits: 0 }).format(n)
}

/** 1.23M: three digits that mean something, for tiles and axes. */
export function short(n: Maybe<number>): string {
  if (missing(n)) return none
  if (Math.abs(n) < 1000) return numbers({ maximumFractionDigits: Math.abs(n) < 10 ? 1 : 0 }).format(n)
  const units: [number, string][] = [
    [1e9, 'G'],
    [1e6, 'M'],
    [1e3, 'k'],
  ]
  const [unit, name] = units.find(([u]) => Math.abs(n) >= u * 0.9995) ?? [1e3, 'k']
  return numbers({ maximumSignificantDigits: 3 }).format(n / unit) + name
}

/** 1.5 MiB */
export function bytes(n: Maybe<number>): string {
  if (missing(n)) return none
  const units = ['B', 'KiB', 'MiB', 'GiB', 'TiB', 'PiB']
  let unit = 0
  while (Math.abs(n) >= 1023.5 && unit < units.length - 1) {
    n /= 1024
    unit++
  }
  return `${numbers({ maximumFractionDigits: unit === 0 || n >= 100 ? 0 : 1 }).format(n)} ${units[unit]}`
}

/** 12.5%; p is in percent. */
export function percent(p: Maybe<number>): string {
  return missing(p) ? none : `${numbers({ maximumFractionDigits: p < 10 ? 1 : 0 }).format(p)}%`
}

/** 3.2 ms, 1.5 s, 2 min: a time that passed, in milliseconds. */
export function milliseconds(ms: Maybe<number>): string {
  if (missing(ms)) return none
  if (ms < 1000) return `${numbers({ maximumFractionDigits: ms < 10 ? 2 : 0 }).format(ms)} ms`
  if (ms < 60_000) return `${numbers({ maximumFractionDigits: 1 }).format(ms / 1000)} s`
  return duration(ms / 1000)
}

/** 3 d 4 h: the two largest parts of a number of seconds. */
export function duration(seconds: Maybe<number>): string {
  if (missing(seconds)) return none
  const zh = language() === 'zh'
  const parts: [number, string][] = [
    [86_400, zh ? '天' : 'd'],
    [3600, zh ? '小时' : 'h'],
    [60, zh ? '分' : 'min'],
    [1, zh ? '秒' : 's'],
  ]
  let rest = Math.floor(seconds)
  const out: string[] = []
  for (const [size, name] of parts) {
    const n = Math.floor(rest / size)
    rest %= size
    if (n > 0) out.push(`${n} ${name}`)
    if (out.length === 2 || (out.length === 1 && n === 0)) break
  }
  return out.join(' ') || `0 ${zh ? '秒' : 's'}`
}

/** 2026-11-23 08:30:12, local time: sorts as it reads, the same in every language. */
export function clock(ms: Maybe<number>): string {
  if (missing(ms)) return none
  const d = new Date(ms)
  const two = (n: number) => String(n).padStart(2, '0')
  return (
    `${d.getFullYear()}-${two(d.getMonth() + 1)}-${two(d.getDate())} ` +
    `${two(d.getHours())}:${two(d.getMinutes())}:${two(d.getSeconds())}`
  )
}

/** 5 minutes ago, in 2 hours. */
export function relative(ms: Maybe<number>, now = Date.now()): string {
  if (missing(ms)) return none
  const f = new Intl.RelativeTimeFormat(locale(), { numeric: 'auto' })
  const seconds = Math.round((ms - now) / 1000)
  const units: [number, Intl.RelativeTimeFormatUnit][] = [
    [86_400 * 365, 'year'],
    [86_400 * 30, 'month'],
    [86_400, 'day'],
    [3600, 'hour'],
    [60, 'minute'],
  ]
  for (const [size, unit] of units) {
    if (Math.abs(seconds) >= size) return f.format(Math.trunc(seconds / size), unit)
  }
  return f.format(seconds, 'second')
}

/** Milliseconds of EMQ X's "2020-09-04 10:24:16", which is the node's local time; undefined if it isn't one. */
export function parseLocal(text: Maybe<string>): number | undefined {
  const m = /^(\d{4})-(\d{1,2})-(\d{1,2}) (\d{1,2}):(\d{1,2}):(\d{1,2})$/.exec(text ?? '')
  if (!m) return undefined
  const [year, month, day, hour, minute, second] = m.slice(1).map(Number) as [number, number, number, number, number, number]
  return new Date(year, month - 1, day, hour, minute, second).getTime()
}

const unitSeconds: Record<string, number> = { day: 86_400, hour: 3600, minute: 60, second: 1 }

/** Seconds of EMQ X's "1 days, 4 hours, 21 minutes, 19 seconds"; undefined if it isn't one. */
export function parseUptime(text: Maybe<string>): number | undefined {
  let seconds: number | undefined
  for (const [, n, unit = ''] of (text ?? '').matchAll(/(\d+) (day|hour|minute|second)s?/g)) {
    seconds = (seconds ?? 0) + Number(n) * (unitSeconds[unit] ?? 0)
  }
  return seconds
}
