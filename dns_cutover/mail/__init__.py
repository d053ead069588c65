"""What DNS says about a domain's e-mail: SPF, DKIM, DMARC, MTA-STS. Pure: answers come in as values."""
