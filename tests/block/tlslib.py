# SPDX-License-Identifier: GPL-2.0-or-later
"""Credentials for TLS in a test, made by GnuTLS's tools."""

import os
import shutil
import subprocess

CERTTOOL = shutil.which('certtool')
PSKTOOL = shutil.which('psktool')

CA = 'cn = "Test CA"\nca\ncert_signing_key\nexpiration_days = 2\n'
SERVER = ('cn = "localhost"\ndns_name = "localhost"\nip_address = "127.0.0.1"\n'
          'tls_www_server\nsigning_key\nexpiration_days = 2\n')
CLIENT = ('cn = "{name}"\norganization = "NEMU"\ntls_www_client\nsigning_key\n'
          'expiration_days = 2\n')


def certtool(*args):
    subprocess.run([CERTTOOL, *args], check=True, stdout=subprocess.DEVNULL,
                   stderr=subprocess.DEVNULL)


class Authority:
    """A CA in a folder of its own, and folders with what it signed."""

    def __init__(self, folder):
        self.dir = folder
        os.makedirs(folder)
        self.key, self.cert = f'{folder}/ca-key.pem', f'{folder}/ca-cert.pem'
        self.make_key(self.key)
        certtool('--generate-self-signed', '--load-privkey', self.key,
                 '--template', self.template(CA), '--outfile', self.cert)

    def template(self, text):
        path = f'{self.dir}/template'
        with open(path, 'w', encoding='utf-8') as f:
            f.write(text)
        return path

    @staticmethod
    def make_key(path, password=None):
        secret = (['--pkcs8', '--password', password] if password else [])
        certtool('--generate-privkey', '--key-type=ecdsa', '--curve=secp256r1',
                 '--outfile', path, *secret)

    def sign(self, kind, text, name=None, password=None):
        """A folder with ca-cert.pem, KIND-cert.pem and KIND-key.pem."""
        folder = f'{self.dir}/{name or kind}'
        os.makedirs(folder, exist_ok=True)
        shutil.copy(self.cert, folder)
        key = f'{folder}/{kind}-key.pem'
        self.make_key(key, password)
        secret = ['--password', password] if password else []
        certtool('--generate-certificate', '--load-privkey', key, *secret,
                 '--load-ca-certificate', self.cert, '--load-ca-privkey',
                 self.key, '--template', self.template(text), '--outfile',
                 f'{folder}/{kind}-cert.pem')
        return folder

    def server(self, **kw):
        return self.sign('server', SERVER, **kw)

    def client(self, who='someone', **kw):
        return self.sign('client', CLIENT.format(name=who), **kw)


def psk(folder, *users):
    """A folder with keys.psk for the users."""
    os.makedirs(folder)
    with open(f'{folder}/keys.psk', 'w', encoding='utf-8') as f:
        for user in users:
            f.write(f'{user}:{os.urandom(32).hex()}\n')
    return folder


def creds(kind, folder=None, endpoint='client', **more):
    """The text of an --object with id tls."""
    text = f'tls-creds-{kind},id=tls,endpoint={endpoint}'
    if folder:
        text += f',dir={folder}'
    for key, value in more.items():
        text += f',{key.replace("_", "-")}={value}'
    return text
