import { useEffect, useState, type ReactNode } from 'react'
import { clock, none, relative } from '../i18n/format'
import { useLanguage, useText } from '../i18n/i18n'
import { Button } from './Button'
import { toast } from './Toast'
import { text } from './text'

export type Mood = 'good' | 'bad' | 'warn' | 'info' | 'plain'

/** A word with a colour; the word alone has to be enough. */
export function Tag({ mood = 'plain', children }: { mood?: Mood; children: ReactNode }) {
  return <span className={`tag ${mood}`}>{children}</span>
}

/** One figure, large, with what it is. */
export function Stat({ name, value, note, mood, children }: { name: string; value: ReactNode; note?: ReactNode; mood?: Mood; children?: ReactNode }) {
  return (
    <div className={`stat ${mood ?? ''}`}>
      <span className="stat-name">{name}</span>
      <span className="stat-value">{value}</span>
      {note !== undefined && <span className="stat-note">{note}</span>}
      {children}
    </div>
  )
}

/** How full something is, of 0 to 1. plain: being full is no worse than being empty. */
export function Meter({ name, share, plain, children }: { name: string; share: number | null | undefined; plain?: boolean; children: ReactNode }) {
  const full = Math.min(1, Math.max(0, share ?? 0))
  return (
    <div className="meter">
      <div>
        <span>{name}</span>
        <span className="number">{children}</span>
      </div>
      <progress className={plain ? '' : full > 0.9 ? 'bad' : full > 0.75 ? 'warn' : ''} value={full} max={1} aria-label={name} />
    </div>
  )
}

/** When something was: how long ago, with the exact time as its title. ms is Unix milliseconds. */
export function Time({ ms, exact }: { ms: number | null | undefined; exact?: boolean }) {
  useLanguage()
  const [, tick] = useState(0)
  useEffect(() => {
    const timer = setInterval(() => tick((n) => n + 1), 15_000)
    return () => clearInterval(timer)
  }, [])
  if (ms === null || ms === undefined) return <>{none}</>
  return (
    <time dateTime={new Date(ms).toISOString()} title={exact ? relative(ms) : clock(ms)}>
      {exact ? clock(ms) : relative(ms)}
    </time>
  )
}

/** Puts value into the clipboard. */
export function Copy({ value }: { value: string }) {
  const t = useText(text)
  const [done, set] = useState(false)
  const copy = async () => {
    try {
      await navigator.clipboard.writeText(value)
      set(true)
      setTimeout(() => set(false), 1500)
    } catch {
      toast(t.notCopied, 'bad') // there is no clipboard without https
    }
  }
  return <Button look="ghost" small icon={done ? 'check' : 'copy'} title={done ? t.copied : t.copy} aria-label={done ? t.copied : t.copy} onClick={() => void copy()} />
}

/** A value to be read letter by letter: an id, a topic, a key. */
export function Code({ children, copy }: { children: string; copy?: boolean }) {
  return (
    <span className="code">
      <code>{children}</code>
      {copy && <Copy value={children} />}
    </span>
  )
}
