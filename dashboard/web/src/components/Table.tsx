import { useMemo, useState, type ReactNode } from 'react'
import { useGet } from '../api/hooks'
import type { Query } from '../api/client'
import { useParams } from '../app/router'
import { count } from '../i18n/format'
import { useText } from '../i18n/i18n'
import { Button } from './Button'
import { Empty, ErrorBox, Loading } from './States'
import { text } from './text'

export interface Column<Row> {
  id: string
  head: string
  cell: (row: Row) => ReactNode
  /** number: right-aligned, digits of one width. actions: buttons at the end. */
  kind?: 'number' | 'actions'
  /** What rows are sorted by when this column is clicked. Only for lists that are whole: see ServerTable. */
  sort?: (row: Row) => string | number
  /** Not on phones: it is in the details. */
  wideOnly?: boolean
}

interface TableProps<Row> {
  columns: readonly Column<Row>[]
  rows: readonly Row[]
  rowKey: (row: Row) => string
  /** What is said when there are no rows. */
  empty?: ReactNode
  /** Says what the table holds to those who don't see it. */
  caption: string
  /** Rows that can be marked for something to be done with all of them. */
  selection?: readonly [ReadonlySet<string>, (keys: ReadonlySet<string>) => void]
}

type Sorting = { id: string; down: boolean } | undefined

/** Rows that are all here. Column heads sort them where a column says by what. */
export function Table<Row>({ columns, rows, rowKey, empty, caption, selection }: TableProps<Row>) {
  const [sorting, setSorting] = useState<Sorting>()
  const shown = useMemo(() => sorted(rows, columns, sorting), [rows, columns, sorting])
  if (rows.length === 0) return typeof empty === 'object' ? <>{empty}</> : <Empty>{empty}</Empty>
  const click = (id: string) => setSorting((s) => (s?.id !== id ? { id, down: false } : s.down ? undefined : { id, down: true }))
  return (
    <div className="table-wrap">
      <table>
        <caption className="sr-only">{caption}</caption>
        <thead>
          <tr>
            {selection && <SelectAll keys={shown.map(rowKey)} selection={selection} />}
            {columns.map((c) => (
              <Head key={c.id} column={c} sorting={sorting} onSort={() => click(c.id)} />
            ))}
          </tr>
        </thead>
        <tbody>
          {shown.map((row) => {
            const key = rowKey(row)
            return (
              <tr key={key} aria-selected={selection ? selection[0].has(key) : undefined}>
                {selection && <SelectOne name={key} selection={selection} />}
                {columns.map((c) => (
                  <td key={c.id} className={classOf(c)}>
                    {c.cell(row)}
                  </td>
                ))}
              </tr>
            )
          })}
        </tbody>
      </table>
    </div>
  )
}

export function sorted<Row>(rows: readonly Row[], columns: readonly Column<Row>[], sorting: Sorting): readonly Row[] {
  const by = columns.find((c) => c.id === sorting?.id)?.sort
  if (!by || !sorting) return rows
  const sign = sorting.down ? -1 : 1
  return rows.toSorted((a, b) => {
    const [x, y] = [by(a), by(b)]
    return sign * (typeof x === 'number' && typeof y === 'number' ? x - y : String(x).localeCompare(String(y), undefined, { numeric: true }))
  })
}

function classOf<Row>(c: Column<Row>): string {
  return `${c.kind ?? ''} ${c.wideOnly ? 'wide-only' : ''}`.trim()
}

function Head<Row>({ column: c, sorting, onSort }: { column: Column<Row>; sorting: Sorting; onSort: () => void }) {
  const t = useText(text)
  if (c.kind === 'actions') {
    return (
      <th scope="col" className={classOf(c)}>
        <span className="sr-only">{c.head || t.actions}</span>
      </th>
    )
  }
  if (!c.sort) {
    return (
      <th scope="col" className={classOf(c)}>
        {c.head}
      </th>
    )
  }
  const state = sorting?.id !== c.id ? 'none' : sorting.down ? 'descending' : 'ascending'
  return (
    <th scope="col" className={classOf(c)} aria-sort={state}>
      <button type="button" className="sort" title={t.sortBy(c.head)} onClick={onSort}>
        {c.head}
      </button>
    </th>
  )
}

type Selection = NonNullable<TableProps<unknown>['selection']>

function SelectAll({ keys, selection: [marked, mark] }: { keys: string[]; selection: Selection }) {
  const t = useText(text)
  const all = keys.every((k) => marked.has(k))
  return (
    <th scope="col" className="select">
      <input type="checkbox" aria-label={t.selectAll} checked={all} onChange={() => mark(new Set(all ? [] : keys))} />
    </th>
  )
}

function SelectOne({ name, selection: [marked, mark] }: { name: string; selection: Selection }) {
  const t = useText(text)
  const toggle = () => {
    const next = new Set(marked)
    if (!next.delete(name)) next.add(name)
    mark(next)
  }
  return (
    <td className="select">
      <input type="checkbox" aria-label={`${t.selectRow}: ${name}`} checked={marked.has(name)} onChange={toggle} />
    </td>
  )
}

interface ServerTableProps<Row> extends Omit<TableProps<Row>, 'rows'> {
  route: string
  /** Filters and what else the route takes; undefined and '' are left out. */
  query?: Query
  /** Milliseconds between two calls for the page that is shown. */
  refresh?: number | false
  /** Before the names of its parameters in the address, where a page has two of them. */
  prefix?: string
}

const limits = ['20', '50', '100', '500']

/** A list that may be long: the server pages and filters it, one page is here. Page and page size stand in the address. */
export function ServerTable<Row>({ route, query, refresh = false, prefix = '', ...table }: ServerTableProps<Row>) {
  const t = useText(text)
  const [params, setParams] = useParams()
  const asked = params.get(`${prefix}limit`) ?? ''
  const limit = limits.includes(asked) ? asked : '50'
  const page = Math.max(1, Number.parseInt(params.get(`${prefix}page`) ?? '1', 10) || 1)
  const answer = useGet<Row[]>(route, { query: { ...query, _page: page, _limit: limit }, refresh })

  const { data, error } = answer
  if (!data) return error ? <ErrorBox error={error} onRetry={() => void answer.refetch()} /> : <Loading />
  const meta = data.meta ?? { page, limit: Number(limit), count: data.data.length }
  const turn = (to: number) => setParams({ [`${prefix}page`]: to > 1 ? String(to) : undefined })
  return (
    <div className={answer.isPlaceholderData ? 'stale' : undefined} aria-busy={answer.isPlaceholderData}>
      {error && <ErrorBox error={error} />}
      {data.missing && <p className="notice warn">{t.missing(data.missing.join(', '))}</p>}
      <Table rows={data.data} {...table} />
      <Pager
        page={page}
        limit={limit}
        shown={data.data.length}
        total={meta.count}
        more={meta.hasnext ?? page * Number(limit) < meta.count}
        onPage={turn}
        onLimit={(l) => setParams({ [`${prefix}limit`]: l, [`${prefix}page`]: undefined })}
      />
    </div>
  )
}

interface PagerProps {
  page: number
  limit: string
  shown: number
  total: number // -1: unknown
  more: boolean
  onPage: (page: number) => void
  onLimit: (limit: string) => void
}

function Pager({ page, limit, shown, total, more, onPage, onLimit }: PagerProps) {
  const t = useText(text)
  if (shown === 0 && page === 1) return null
  const from = (page - 1) * Number(limit)
  const [first, last] = [count(shown && from + 1), count(from + shown)]
  return (
    <nav className="pager" aria-label={t.next}>
      <span className="number">{total >= 0 ? t.range(first, last, count(total)) : t.rangeOpen(first, last, more)}</span>
      <label>
        <span className="wide-only">{t.rowsPerPage}</span>
        <select value={limit} aria-label={t.rowsPerPage} onChange={(e) => onLimit(e.target.value)}>
          {limits.map((l) => (
            <option key={l}>{l}</option>
          ))}
        </select>
      </label>
      <Button small icon="left" aria-label={t.previous} title={t.previous} disabled={page <= 1} onClick={() => onPage(page - 1)} />
      <Button small icon="right" aria-label={t.next} title={t.next} disabled={!more} onClick={() => onPage(page + 1)} />
    </nav>
  )
}
