import { useState } from 'react'
import { del, path, post, put } from '../../api/client'
import { every } from '../../api/hooks'
import { useParams } from '../../app/router'
import { Button } from '../../components/Button'
import { ActDialog, Confirm } from '../../components/Dialog'
import { Checkbox, Input, Password, Search } from '../../components/Field'
import { Card } from '../../components/Page'
import { Time } from '../../components/Small'
import { ServerTable, type Column } from '../../components/Table'
import { useText } from '../../i18n/i18n'
import { text } from './text'

type Kind = 'username' | 'clientid'
type Row = { created_at?: number } & { [k in Kind]?: string }
type Open = { what: 'add' } | { what: 'password' | 'remove'; name: string }

/** The built-in users of one kind. */
export function Accounts({ kind }: { kind: Kind }) {
  const t = useText(text)
  const [params, setParams] = useParams()
  const [open, setOpen] = useState<Open>()
  const like = params.get('like') ?? ''
  const route = `/auth_${kind}`
  const close = () => setOpen(undefined)

  const columns: Column<Row>[] = [
    { id: 'name', head: t[kind], cell: (a) => a[kind] },
    { id: 'created', head: t.created, cell: (a) => <Time ms={a.created_at} />, wideOnly: true },
    {
      id: 'act',
      head: '',
      kind: 'actions',
      cell: (a) => {
        const name = a[kind] ?? ''
        return (
          <>
            <Button look="ghost" small write aria-label={`${t.changePassword}: ${name}`} onClick={() => setOpen({ what: 'password', name })}>
              {t.changePassword}
            </Button>
            <Button look="ghost" small write icon="trash" title={t.remove} aria-label={`${t.remove}: ${name}`} onClick={() => setOpen({ what: 'remove', name })} />
          </>
        )
      },
    },
  ]
  return (
    <Card flush>
      <div className="toolbar">
        <Search label={t.contains(t[kind])} value={like} onChange={(v) => setParams({ like: v, page: undefined })} />
        <Button write icon="plus" onClick={() => setOpen({ what: 'add' })}>
          {t.add}
        </Button>
      </div>
      <ServerTable
        route={route}
        query={{ [`_like_${kind}`]: like }}
        refresh={every.slow}
        caption={t[kind]}
        columns={columns}
        rowKey={(a) => a[kind] ?? ''}
        empty={t.noAccounts}
      />
      {open?.what === 'add' && <Add kind={kind} onClose={close} />}
      {open?.what === 'password' && <NewPassword kind={kind} name={open.name} onClose={close} />}
      {open?.what === 'remove' && (
        <Confirm title={t.removeAccount(open.name)} submit={t.remove} act={() => del(path`/auth_${kind}/${open.name}`)} done={t.removed} stale={[route]} onClose={close}>
          {t.removeAccountText}
        </Confirm>
      )}
    </Card>
  )
}

function Add({ kind, onClose }: { kind: Kind; onClose: () => void }) {
  const t = useText(text)
  const [name, setName] = useState('')
  const [password, setPassword] = useState('')
  const [is_superuser, setSuperuser] = useState(false)
  const act = () => post(`/auth_${kind}`, { [kind]: name, password, is_superuser })
  return (
    <ActDialog title={kind === 'username' ? t.addUser : t.addID} submit={t.add} act={act} done={t.saved} stale={[`/auth_${kind}`]} onClose={onClose}>
      <Input label={t[kind]} value={name} onChange={setName} required autoFocus />
      <Password label={t.password} value={password} onChange={setPassword} required autoComplete="new-password" />
      <Checkbox label={t.superuser} hint={t.superuserHint} checked={is_superuser} onChange={setSuperuser} />
    </ActDialog>
  )
}

function NewPassword({ kind, name, onClose }: { kind: Kind; name: string; onClose: () => void }) {
  const t = useText(text)
  const [password, setPassword] = useState('')
  return (
    <ActDialog title={t.setPassword(name)} submit={t.save} act={() => put(path`/auth_${kind}/${name}`, { password })} done={t.saved} onClose={onClose}>
      <Password label={t.newPassword} value={password} onChange={setPassword} required autoFocus autoComplete="new-password" />
    </ActDialog>
  )
}
