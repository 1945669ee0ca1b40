import { useSyncExternalStore } from 'react'

export const themes = ['system', 'light', 'dark'] as const
export type Theme = (typeof themes)[number]

const key = 'dunlin.theme'
const listeners = new Set<() => void>()
let current: Theme = 'system'

function subscribe(tell: () => void): () => void {
  listeners.add(tell)
  const system = matchMedia('(prefers-color-scheme: dark)')
  system.addEventListener('change', tell)
  return () => {
    listeners.delete(tell)
    system.removeEventListener('change', tell)
  }
}

export function setTheme(t: Theme): void {
  current = t
  if (t === 'system') delete document.documentElement.dataset.theme
  else document.documentElement.dataset.theme = t
  try {
    localStorage.setItem(key, t)
  } catch {
    // Storage is off: the choice lasts as long as the page.
  }
  for (const tell of listeners) tell()
}

/** Takes up the theme that was chosen last. */
export function restoreTheme(): void {
  let stored: string | null = null
  try {
    stored = localStorage.getItem(key)
  } catch {
    // Storage is off.
  }
  const known = themes.find((t) => t === stored)
  if (known) setTheme(known)
}

export function useTheme(): Theme {
  return useSyncExternalStore(subscribe, () => current)
}

/** Whether it is dark now: what is drawn on a canvas has to know. */
export function useDark(): boolean {
  return useSyncExternalStore(subscribe, () =>
    current === 'system' ? matchMedia('(prefers-color-scheme: dark)').matches : current === 'dark',
  )
}
