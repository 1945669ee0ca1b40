import { useSyncExternalStore } from 'react'

// A dictionary has every sentence in every language side by side, so that one
// which is missing doesn't compile. Each page has its own, in text.ts.

export const languages = ['en', 'zh'] as const
export type Language = (typeof languages)[number]

export type Sentence = readonly [en: string, zh: string]
type Entry = Sentence | ((...args: never[]) => Sentence)

export function dictionary<const D extends Record<string, Entry>>(d: D): D {
  return d
}

/** The texts of a dictionary in one language: a sentence is a string, one with parameters a function. */
export type Texts<D> = {
  readonly [K in keyof D]: D[K] extends (...args: infer A) => Sentence ? (...args: A) => string : string
}

const key = 'dunlin.language'
const listeners = new Set<() => void>()
let current: Language = first(read(), navigator.languages ?? [])

/** The language to begin with: the one that was chosen, or the first of the browser's that there is. */
export function first(chosen: string | null, preferred: readonly string[]): Language {
  const wanted = [chosen ?? '', ...preferred].map((l) => l.toLowerCase().split('-')[0])
  return (wanted.find((l) => languages.some((known) => known === l)) as Language | undefined) ?? 'en'
}

export function language(): Language {
  return current
}

export function setLanguage(l: Language): void {
  current = l
  try {
    localStorage.setItem(key, l)
  } catch {
    // Storage is off: the choice lasts as long as the page.
  }
  document.documentElement.lang = locale(l)
  for (const tell of listeners) tell()
}

function read(): string | null {
  try {
    return localStorage.getItem(key)
  } catch {
    return null
  }
}

/** The BCP 47 tag that dates and numbers are written by. */
export function locale(l: Language = current): string {
  return l === 'zh' ? 'zh-CN' : 'en'
}

function subscribe(tell: () => void): () => void {
  listeners.add(tell)
  return () => listeners.delete(tell)
}

export function useLanguage(): Language {
  return useSyncExternalStore(subscribe, language)
}

const made = new WeakMap<object, Partial<Record<Language, unknown>>>()

/** The texts of d in language l. The same object comes each time. */
export function texts<D extends Record<string, Entry>>(d: D, l: Language = current): Texts<D> {
  const cached = made.get(d)?.[l]
  if (cached) return cached as Texts<D>
  const index = languages.indexOf(l)
  const out: Record<string, unknown> = {}
  for (const [name, entry] of Object.entries(d)) {
    out[name] =
      typeof entry === 'function' ? (...args: never[]) => entry(...args)[index] : entry[index]
  }
  made.set(d, { ...made.get(d), [l]: out })
  return out as Texts<D>
}

/** The texts of a page's dictionary in the language of the moment. */
export function useText<D extends Record<string, Entry>>(d: D): Texts<D> {
  return texts(d, useLanguage())
}
