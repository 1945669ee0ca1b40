import { lazy, type ComponentType, type LazyExoticComponent } from 'react'
import type { IconName } from '../components/Icon'
import type { text } from './text'

export interface PageProps {
  /** The parts of the address that the pattern names, decoded. */
  params: Record<string, string>
}

type Group = 'groupMonitor' | 'groupMQTT' | 'groupAccess' | 'groupSystem'

export interface Route {
  pattern: string
  page: LazyExoticComponent<ComponentType<PageProps>>
  /** With it, the page is in the navigation, under this name of app/text.ts. */
  nav?: { group: Group; name: keyof typeof text & string; icon: IconName; phone?: boolean }
}

const load = (page: () => Promise<{ default: ComponentType<PageProps> }>) => lazy(page)

/** Every page of the app, one line each; the navigation shows them in this order. */
export const routes: readonly Route[] = [
  { pattern: '/', page: load(() => import('../pages/overview')), nav: { group: 'groupMonitor', name: 'overview', icon: 'overview', phone: true } },
  { pattern: '/accounting', page: load(() => import('../pages/accounting')), nav: { group: 'groupMonitor', name: 'accounting', icon: 'accounting' } },
  { pattern: '/nodes', page: load(() => import('../pages/nodes')), nav: { group: 'groupMonitor', name: 'nodes', icon: 'nodes' } },
  { pattern: '/nodes/:node', page: load(() => import('../pages/nodes/Detail')) },
  { pattern: '/alarms', page: load(() => import('../pages/alarms')), nav: { group: 'groupMonitor', name: 'alarms', icon: 'alarm', phone: true } },
  { pattern: '/trace', page: load(() => import('../pages/trace')), nav: { group: 'groupMonitor', name: 'trace', icon: 'trace' } },
  { pattern: '/clients', page: load(() => import('../pages/clients')), nav: { group: 'groupMQTT', name: 'clients', icon: 'clients', phone: true } },
  { pattern: '/clients/:id', page: load(() => import('../pages/clients/detail')) },
  { pattern: '/sessions', page: load(() => import('../pages/sessions')), nav: { group: 'groupMQTT', name: 'sessions', icon: 'sessions' } },
  { pattern: '/subscriptions', page: load(() => import('../pages/subscriptions')), nav: { group: 'groupMQTT', name: 'subscriptions', icon: 'subscriptions' } },
  { pattern: '/topics', page: load(() => import('../pages/topics')), nav: { group: 'groupMQTT', name: 'topics', icon: 'topics' } },
  { pattern: '/retained', page: load(() => import('../pages/retained')), nav: { group: 'groupMQTT', name: 'retained', icon: 'retained' } },
  { pattern: '/websocket', page: load(() => import('../pages/websocket')), nav: { group: 'groupMQTT', name: 'websocket', icon: 'tools' } },
  { pattern: '/access', page: load(() => import('../pages/access')), nav: { group: 'groupAccess', name: 'access', icon: 'access' } },
  { pattern: '/users', page: load(() => import('../pages/users')), nav: { group: 'groupAccess', name: 'users', icon: 'users' } },
  { pattern: '/listeners', page: load(() => import('../pages/listeners')), nav: { group: 'groupSystem', name: 'listeners', icon: 'listeners' } },
  { pattern: '/settings', page: load(() => import('../pages/settings')), nav: { group: 'groupSystem', name: 'settings', icon: 'settings' } },
  { pattern: '/plugins', page: load(() => import('../pages/plugins')), nav: { group: 'groupSystem', name: 'plugins', icon: 'plugins' } },
  { pattern: '/backup', page: load(() => import('../pages/backup')), nav: { group: 'groupSystem', name: 'backup', icon: 'backup' } },
]
