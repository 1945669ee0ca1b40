import { useCallback, useMemo, useSyncExternalStore, type AnchorHTMLAttributes, type MouseEvent } from 'react'

// Pages have paths of their own, and what a list shows (page, filters) stands in
// the query, so that Back works and an address can be sent to a colleague.

const changed = 'dunlin:navigated'

function subscribe(tell: () => void): () => void {
  window.addEventListener('popstate', tell)
  window.addEventListener(changed, tell)
  return () => {
    window.removeEventListener('popstate', tell)
    window.removeEventListener(changed, tell)
  }
}

export function navigate(to: string, options: { replace?: boolean } = {}): void {
  if (to === location.pathname + location.search) return
  const newPage = new URL(to, location.href).pathname !== location.pathname
  if (options.replace) history.replaceState(null, '', to)
  else history.pushState(null, '', to)
  window.dispatchEvent(new Event(changed))
  if (newPage) window.scrollTo(0, 0)
}

export function usePath(): string {
  return useSyncExternalStore(subscribe, () => location.pathname)
}

/** The parameters of the query, and a way to change some; undefined and '' remove one. */
export function useParams(): [URLSearchParams, (changes: Record<string, string | undefined>) => void] {
  const search = useSyncExternalStore(subscribe, () => location.search)
  const params = useMemo(() => new URLSearchParams(search), [search])
  const set = useCallback((changes: Record<string, string | undefined>) => {
    const next = new URLSearchParams(location.search)
    for (const [name, value] of Object.entries(changes)) {
      if (value) next.set(name, value)
      else next.delete(name)
    }
    const text = next.toString()
    navigate(location.pathname + (text && `?${text}`), { replace: true })
  }, [])
  return [params, set]
}

type LinkProps = Omit<AnchorHTMLAttributes<HTMLAnchorElement>, 'href'> & { to: string }

/** A link within the app; a modified click opens a tab, as everywhere. */
export function Link({ to, onClick, children, ...rest }: LinkProps) {
  const follow = (e: MouseEvent<HTMLAnchorElement>) => {
    onClick?.(e)
    if (e.defaultPrevented || e.button !== 0 || e.metaKey || e.ctrlKey || e.shiftKey || e.altKey) return
    e.preventDefault()
    navigate(to)
  }
  return (
    <a href={to} onClick={follow} {...rest}>
      {children}
    </a>
  )
}
