import type { ReactNode } from 'react'
import { explain } from '../api/text'
import { useText } from '../i18n/i18n'
import { Button } from './Button'
import { Icon, type IconName } from './Icon'
import { text } from './text'

export function Loading() {
  const t = useText(text)
  return (
    <output className="state loading">
      <span className="spinner" aria-hidden="true" />
      <span className="sr-only">{t.loading}</span>
    </output>
  )
}

/** What stands where there is nothing: why, and what to do about it. */
export function Empty({ icon, children, action }: { icon?: IconName; children?: ReactNode; action?: ReactNode }) {
  const t = useText(text)
  return (
    <div className="state">
      {icon && <Icon name={icon} size={28} />}
      <p>{children ?? t.nothing}</p>
      {action}
    </div>
  )
}

/** What went wrong, in one sentence. */
export function ErrorBox({ error, onRetry }: { error: unknown; onRetry?: () => void }) {
  const t = useText(text)
  return (
    <div className="state bad" role="alert">
      <Icon name="warn" size={24} />
      <p>{explain(error)}</p>
      {onRetry && (
        <Button icon="refresh" onClick={onRetry}>
          {t.retry}
        </Button>
      )}
    </div>
  )
}

interface Asked<T> {
  data: T | undefined
  error: unknown
  refetch: () => unknown
}

/** What a query has become: its data by way of children, or a sign that it loads, or why it failed. Old data stays while a later call fails. */
export function Loaded<T>({ query, children }: { query: Asked<T>; children: (data: T) => ReactNode }) {
  if (query.data !== undefined) return <>{children(query.data)}</>
  if (query.error) return <ErrorBox error={query.error} onRetry={() => void query.refetch()} />
  return <Loading />
}
