import { useQuery } from '@tanstack/react-query'
import { useState } from 'react'
import type { CallError } from '../../api/client'
import { ActDialog } from '../../components/Dialog'
import { Select } from '../../components/Field'
import { Empty, Loaded } from '../../components/States'
import { Table } from '../../components/Table'
import { count } from '../../i18n/format'
import { useText } from '../../i18n/i18n'
import { importFrom, type Logins, type Report, type Source } from './data'
import { text } from './text'

/** Shows what an import would do, and does it. */
export function Import({ source, onClose }: { source: Source; onClose: () => void }) {
  const t = useText(text)
  const [logins, setLogins] = useState<Logins>('')
  const trial = useQuery<Report, CallError>({
    queryKey: ['/data/import', source.name, source.content?.size, logins],
    queryFn: () => importFrom(source, logins, true),
    gcTime: 0, // the file may be another one the next time
  })
  return (
    <ActDialog title={t.importTitle(source.name)} wide submit={t.import} act={() => importFrom(source, logins, false)} done={t.imported} stale={['/']} onClose={onClose}>
      <Select
        label={t.logins}
        value={logins}
        onChange={setLogins}
        options={[
          ['', t.asSaid],
          ['username', t.usernames],
          ['clientid', t.clientids],
        ]}
      />
      <Loaded query={trial}>{(report) => <ReportView report={report} />}</Loaded>
    </ActDialog>
  )
}

function ReportView({ report: r }: { report: Report }) {
  const t = useText(text)
  const names: Record<string, string> = { accounts: t.accounts, 'acl rules': t.rules, bans: t.bans, apps: t.apps, 'dashboard users': t.users }
  return (
    <>
      <p>
        {t.importLead} <span className="muted">{t.from(r.version, r.date)}</span>
      </p>
      {r.parts.length === 0 ? (
        <Empty>{t.nothing}</Empty>
      ) : (
        <Table
          caption={t.importLead}
          rows={r.parts}
          rowKey={(p) => p.name}
          columns={[
            { id: 'part', head: t.part, cell: (p) => names[p.name] ?? p.name },
            { id: 'added', head: t.added, kind: 'number', cell: (p) => count(p.added) },
            { id: 'same', head: t.unchanged, kind: 'number', cell: (p) => count(p.unchanged) },
            { id: 'replaced', head: t.replaced, kind: 'number', cell: (p) => <span title={p.replaced_names.join(', ')}>{count(p.replaced)}</span> },
          ]}
        />
      )}
      <Reasons title={t.problems} items={r.problems.map((p) => `${p.at} ${p.name}: ${p.reason}`)} />
      {r.skipped > r.problems.length && <p className="muted">{t.moreSkipped(r.skipped)}</p>}
      <Reasons title={t.notImported} items={r.not_imported.map((p) => `${p.part} (${count(p.count)}): ${p.reason}`)} />
      <Reasons title={t.notes} items={r.notes} />
    </>
  )
}

function Reasons({ title, items }: { title: string; items: string[] }) {
  if (items.length === 0) return null
  return (
    <section>
      <h3>{title}</h3>
      <ul>
        {items.map((item) => (
          <li key={item}>{item}</li>
        ))}
      </ul>
    </section>
  )
}
