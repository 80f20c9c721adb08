"""`gcc $(python -m nfverify.cythonized.speedybox) chain.c -o chain`"""

import shlex

from nfverify.cythonized.speedybox.build import flags

print(shlex.join(flags()))
