import { useState } from 'react'
import { CallError, del, path, post, put } from '../../api/client'
import { useGet } from '../../api/hooks'
import { useSession, type Session } from '../../app/session'
import { Button } from '../../components/Button'
import { ActDialog, Confirm } from '../../components/Dialog'
import { Checkbox, Input, Password, Select } from '../../components/Field'
import { Card } from '../../components/Page'
import { Tag } from '../../components/Small'
import { Loaded } from '../../components/States'
import { Table, type Column } from '../../components/Table'
import { texts, useText } from '../../i18n/i18n'
import { text } from './text'

type Role = Session['role']

interface User {
  username: string
  tags: Role
}

type Doing = { what: 'add' } | { what: 'edit' | 'delete'; user: User }

/** What EMQ X says of its user admin holds for the last administrator. */
async function clearly<T>(call: Promise<T>): Promise<T> {
  const said: Record<string, string> = { 'Cannot delete admin': texts(text).lastAdmin }
  try {
    return await call
  } catch (e) {
    if (e instanceof CallError && said[e.message]) throw new CallError(said[e.message] ?? '', e.status, e.code)
    throw e
  }
}

export function Users() {
  const t = useText(text)
  const me = useSession().username
  const [doing, setDoing] = useState<Doing>()
  const users = useGet<User[]>('/users')
  const columns: Column<User>[] = [
    {
      id: 'name',
      head: t.name,
      sort: (u) => u.username,
      cell: (u) => (
        <>
          <b>{u.username}</b> {u.username === me && <Tag mood="info">{t.you}</Tag>}
        </>
      ),
    },
    {
      id: 'role',
      head: t.role,
      sort: (u) => u.tags,
      cell: (u) => (
        <>
          {t[u.tags]} <span className="muted wide-only">{u.tags === 'viewer' ? t.viewerMeans : t.administratorMeans}</span>
        </>
      ),
    },
    {
      id: 'do',
      head: '',
      kind: 'actions',
      cell: (u) => (
        <>
          <Button small look="ghost" icon="edit" write title={t.edit} aria-label={t.editUser(u.username)} onClick={() => setDoing({ what: 'edit', user: u })} />
          <Button small look="ghost" icon="trash" write title={t.delete} aria-label={t.deleteUser(u.username)} onClick={() => setDoing({ what: 'delete', user: u })} />
        </>
      ),
    },
  ]
  const close = () => setDoing(undefined)
  return (
    <Card
      flush
      title={t.users}
      actions={
        <Button small look="primary" icon="plus" write onClick={() => setDoing({ what: 'add' })}>
          {t.addUser}
        </Button>
      }
    >
      <Loaded query={users}>{({ data }) => <Table caption={t.users} columns={columns} rows={data} rowKey={(u) => u.username} />}</Loaded>
      {doing?.what === 'add' && <Add onClose={close} />}
      {doing?.what === 'edit' && <Edit user={doing.user} own={doing.user.username === me} onClose={close} />}
      {doing?.what === 'delete' && (
        <Confirm title={t.deleteUser(doing.user.username)} submit={t.delete} act={() => clearly(del(path`/users/${doing.user.username}`))} done={t.userDeleted} stale={['/users']} onClose={close}>
          {t.deleteUserAsk}
        </Confirm>
      )}
    </Card>
  )
}

function RoleField({ value, onChange }: { value: Role; onChange: (r: Role) => void }) {
  const t = useText(text)
  return (
    <Select
      label={t.role}
      value={value}
      onChange={onChange}
      hint={value === 'viewer' ? t.viewerMeans : t.administratorMeans}
      options={[
        ['administrator', t.administrator],
        ['viewer', t.viewer],
      ]}
    />
  )
}

function Add({ onClose }: { onClose: () => void }) {
  const t = useText(text)
  const [username, setName] = useState('')
  const [password, setPassword] = useState('')
  const [tags, setRole] = useState<Role>('viewer')
  const [change_password, setChange] = useState(true)
  return (
    <ActDialog title={t.addUser} submit={t.addUser} act={() => clearly(post('/users', { username, password, tags, change_password }))} done={t.userAdded(username)} stale={['/users']} onClose={onClose}>
      <Input label={t.name} value={username} onChange={setName} required autoFocus />
      <Password label={t.password} hint={t.passwordHint} value={password} onChange={setPassword} autoComplete="new-password" minLength={8} required />
      <RoleField value={tags} onChange={setRole} />
      <Checkbox label={t.mustChange} checked={change_password} onChange={setChange} />
    </ActDialog>
  )
}

function Edit({ user, own, onClose }: { user: User; own: boolean; onClose: () => void }) {
  const t = useText(text)
  const [tags, setRole] = useState<Role>(user.tags)
  const [password, setPassword] = useState('')
  const [change_password, setChange] = useState(true)
  const save = () => clearly(put(path`/users/${user.username}`, { ...(tags !== user.tags && { tags }), ...(password && { password, change_password }) }))
  const check = () => (tags === user.tags && !password ? t.nothingChanged : '')
  return (
    <ActDialog title={t.editUser(user.username)} submit={t.save} act={save} check={check} done={t.userSaved} stale={['/users', '/auth']} onClose={onClose}>
      <RoleField value={tags} onChange={setRole} />
      {own ? (
        <p className="muted">{t.ownPassword}</p>
      ) : (
        <>
          <Password label={t.newPassword} hint={`${t.keepPassword} ${t.passwordHint}`} value={password} onChange={setPassword} autoComplete="new-password" minLength={8} />
          <Checkbox label={t.mustChange} checked={change_password} onChange={setChange} disabled={!password} />
        </>
      )}
    </ActDialog>
  )
}
