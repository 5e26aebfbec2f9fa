import type { Certificate } from './certificate.ts';

export interface DovecotPorts {
  readonly imap: number;
  readonly imaps: number;
  readonly pop3: number;
  readonly pop3s: number;
}

export interface DovecotConfigurationInput {
  readonly folder: string;
  readonly ports: DovecotPorts;
  readonly certificate: Certificate;
  readonly root: boolean;
  /** Whose files the mails are; Dovecot refuses root. */
  readonly owner: { readonly uid: number; readonly gid: number };
  /** Names of the user who starts it and its group, for its inner processes where that is not root. */
  readonly user: string;
  readonly group: string;
}

/** dovecot.conf of version 2.3, whole: nothing of the machine's own configuration is read. */
export function dovecotConfiguration(input: DovecotConfigurationInput): string {
  const { folder, ports, certificate, owner } = input;
  const unprivileged = `
default_internal_user = ${input.user}
default_internal_group = ${input.group}
default_login_user = ${input.user}
service anvil {
  chroot =
}
service imap-login {
  chroot =
}
service pop3-login {
  chroot =
}`;
  return `
base_dir = ${folder}/run
state_dir = ${folder}/state
log_path = ${folder}/dovecot.log
listen = 127.0.0.1
protocols = imap pop3
ssl = yes
ssl_cert = <${certificate.certFile}
ssl_key = <${certificate.keyFile}
disable_plaintext_auth = no
auth_mechanisms = plain login
auth_failure_delay = 0
# No penalty for the address after a wrong password: all tests come from the same.
service anvil {
  unix_listener anvil-auth-penalty {
    mode = 0
  }
}
mail_location = maildir:${folder}/mail/%u
mail_max_userip_connections = 100
mailbox_idle_check_interval = 5 secs
first_valid_uid = 1
first_valid_gid = 1
passdb {
  driver = passwd-file
  args = scheme=PLAIN username_format=%u ${folder}/users
}
userdb {
  driver = static
  args = uid=${owner.uid} gid=${owner.gid} home=${folder}/mail/%u
}
namespace inbox {
  inbox = yes
  separator = /
  mailbox Sent {
    auto = create
    special_use = \\Sent
  }
}
service imap-login {
  service_count = 0
  inet_listener imap {
    port = ${ports.imap}
  }
  inet_listener imaps {
    port = ${ports.imaps}
    ssl = yes
  }
}
service pop3-login {
  service_count = 0
  inet_listener pop3 {
    port = ${ports.pop3}
  }
  inet_listener pop3s {
    port = ${ports.pop3s}
    ssl = yes
  }
}
${input.root ? '' : unprivileged}
`;
}
