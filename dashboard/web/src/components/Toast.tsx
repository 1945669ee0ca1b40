import { useEffect, useSyncExternalStore } from 'react'
import { useText } from '../i18n/i18n'
import { Icon } from './Icon'
import { text } from './text'

type Mood = 'good' | 'bad'
interface Note {
  id: number
  message: string
  mood: Mood
}

const lasts: Record<Mood, number> = { good: 4000, bad: 9000 } // milliseconds: what went wrong takes longer to read
const most = 4 // on the screen at once
const listeners = new Set<() => void>()
let notes: Note[] = []
let lastID = 0

function set(next: Note[]) {
  notes = next
  for (const tell of listeners) tell()
}

/** Says something in passing. What a form can say beside its field is not for here. */
export function toast(message: string, mood: Mood = 'good'): void {
  const same = notes.filter((n) => n.message !== message)
  set([...same, { id: ++lastID, message, mood }].slice(-most))
}

const dismiss = (id: number) => set(notes.filter((n) => n.id !== id))

function subscribe(tell: () => void) {
  listeners.add(tell)
  return () => listeners.delete(tell)
}

export function Toasts() {
  const t = useText(text)
  const all = useSyncExternalStore(subscribe, () => notes)
  return (
    <section className="toasts" aria-label={t.notifications} aria-live="polite">
      {all.map((n) => (
        <Toast key={n.id} note={n} />
      ))}
    </section>
  )
}

function Toast({ note }: { note: Note }) {
  const t = useText(text)
  useEffect(() => {
    const timer = setTimeout(() => dismiss(note.id), lasts[note.mood])
    return () => clearTimeout(timer)
  }, [note])
  return (
    <div className={`toast ${note.mood}`} role={note.mood === 'bad' ? 'alert' : 'status'}>
      <Icon name={note.mood === 'good' ? 'check' : 'warn'} />
      <span>{note.message}</span>
      <button type="button" className="button ghost icon-only small" aria-label={t.close} onClick={() => dismiss(note.id)}>
        <Icon name="close" size={14} />
      </button>
    </div>
  )
}
