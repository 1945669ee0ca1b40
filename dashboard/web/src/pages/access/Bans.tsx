import { useState } from 'react'
import { del, path, post } from '../../api/client'
import { every, useAct } from '../../api/hooks'
import { Button } from '../../components/Button'
import { ActDialog } from '../../components/Dialog'
import { Input, Select } from '../../components/Field'
import { Card } from '../../components/Page'
import { Time } from '../../components/Small'
import { ServerTable, type Column } from '../../components/Table'
import { useText } from '../../i18n/i18n'
import { known } from '../../api/clients'
import { text } from './text'

type As = 'clientid' | 'username' | 'peerhost'

interface Row {
  as: As
  who: string
  by: string
  reason: string
  /** Unix seconds. */
  at: number
  until: number | 'infinity'
}

/** Seconds; 0: without an end. */
const lengths = { minutes5: 300, hour: 3600, day: 86_400, forever: 0 } as const
type Length = keyof typeof lengths

export function Bans() {
  const t = useText(text)
  const [adding, add] = useState(false)
  const lift = useAct((b: Row) => del(path`/banned/${b.as}/${b.who}`), { done: t.lifted, stale: ['/banned'] })
  const columns: Column<Row>[] = [
    { id: 'as', head: t.as, cell: (b) => t[b.as] },
    { id: 'who', head: t.who, cell: (b) => <code>{b.who}</code> },
    { id: 'reason', head: t.reason, cell: (b) => known(b.reason) },
    { id: 'by', head: t.by, cell: (b) => known(b.by), wideOnly: true },
    { id: 'at', head: t.since, cell: (b) => <Time ms={b.at * 1000} />, wideOnly: true },
    { id: 'until', head: t.until, cell: (b) => (b.until === 'infinity' ? t.forever : <Time ms={b.until * 1000} />) },
    {
      id: 'act',
      head: '',
      kind: 'actions',
      cell: (b) => (
        <Button look="ghost" small write aria-label={`${t.lift}: ${b.who}`} onClick={() => lift.mutate(b)}>
          {t.lift}
        </Button>
      ),
    },
  ]
  return (
    <Card flush>
      <div className="toolbar">
        <Button write icon="plus" onClick={() => add(true)}>
          {t.banTitle}
        </Button>
      </div>
      <ServerTable route="/banned" refresh={every.list} caption={t.bans} columns={columns} rowKey={(b) => `${b.as} ${b.who}`} empty={t.noBans} />
      {adding && <Add onClose={() => add(false)} />}
    </Card>
  )
}

function Add({ onClose }: { onClose: () => void }) {
  const t = useText(text)
  const [as, setAs] = useState<As>('clientid')
  const [who, setWho] = useState('')
  const [reason, setReason] = useState('')
  const [length, setLength] = useState<Length>('hour')
  const until = () => (lengths[length] ? Math.floor(Date.now() / 1000) + lengths[length] : 'infinity')
  const act = () => post('/banned', { as, who, reason, by: 'dashboard', until: until() })
  return (
    <ActDialog danger title={t.banTitle} submit={t.ban} act={act} done={t.banned} stale={['/banned']} onClose={onClose}>
      <Select
        label={t.as}
        value={as}
        onChange={setAs}
        options={[
          ['clientid', t.clientid],
          ['username', t.username],
          ['peerhost', t.peerhost],
        ]}
      />
      <Input label={t.who} value={who} onChange={setWho} required autoFocus hint={as === 'peerhost' ? t.banHint : undefined} />
      <Input label={t.reason} value={reason} onChange={setReason} />
      <Select label={t.how} value={length} onChange={setLength} options={(Object.keys(lengths) as Length[]).map((l) => [l, t[l]] as const)} />
    </ActDialog>
  )
}
