import { useEffect, type ReactNode } from 'react'
import { Link } from '../app/router'

/** A page: its title, what can be done here, and what it shows. */
export function Page({ title, lead, back, actions, children }: { title: string; lead?: ReactNode; back?: readonly [path: string, name: string]; actions?: ReactNode; children: ReactNode }) {
  useEffect(() => {
    document.title = `${title} · Dunlin`
  }, [title])
  return (
    <article className="page">
      <header className="page-head">
        <div>
          {back && (
            <Link to={back[0]} className="back">
              ← {back[1]}
            </Link>
          )}
          <h1 tabIndex={-1}>{title}</h1>
          {lead && <p className="lead">{lead}</p>}
        </div>
        {actions && <div className="actions">{actions}</div>}
      </header>
      {children}
    </article>
  )
}

/** A box with a heading. flush: what is inside (a table) reaches its borders. */
export function Card({ title, actions, flush, className = '', children }: { title?: ReactNode; actions?: ReactNode; flush?: boolean; className?: string; children: ReactNode }) {
  return (
    <section className={`card ${flush ? 'flush' : ''} ${className}`}>
      {(title || actions) && (
        <header>
          {title && <h2>{title}</h2>}
          {actions && <div className="actions">{actions}</div>}
        </header>
      )}
      {children}
    </section>
  )
}

/** Boxes beside each other, each at least min (a CSS class: tiles, halves, thirds) wide. */
export function Grid({ of, children }: { of: 'tiles' | 'halves' | 'thirds'; children: ReactNode }) {
  return <div className={`grid ${of}`}>{children}</div>
}

/** Names with their values. */
export function Facts({ items }: { items: readonly (readonly [name: string, value: ReactNode] | false | undefined)[] }) {
  return (
    <dl className="facts">
      {items.map(
        (item) =>
          item && (
            <div key={item[0]}>
              <dt>{item[0]}</dt>
              <dd>{item[1]}</dd>
            </div>
          ),
      )}
    </dl>
  )
}

/** Parts of a page, one at a time. The one that is open stands in the query, where the page keeps it. */
export function Tabs<V extends string>({ value, onChange, options, label }: { value: V; onChange: (value: V) => void; options: readonly (readonly [value: V, name: string])[]; label: string }) {
  const move = (by: number) => {
    const i = options.findIndex(([v]) => v === value)
    const next = options[(i + by + options.length) % options.length]
    if (next) onChange(next[0])
  }
  return (
    <div
      className="tabs"
      role="tablist"
      aria-label={label}
      onKeyDown={(e) => {
        const by = { ArrowRight: 1, ArrowLeft: -1 }[e.key]
        if (!by) return
        move(by)
        const list = e.currentTarget
        requestAnimationFrame(() => list.querySelector<HTMLElement>('[aria-selected=true]')?.focus())
      }}
    >
      {options.map(([v, name]) => (
        <button key={v} type="button" role="tab" aria-selected={v === value} tabIndex={v === value ? 0 : -1} onClick={() => onChange(v)}>
          {name}
        </button>
      ))}
    </div>
  )
}
