"""Where independent pieces of work run: in processes of this machine, or on a Dask cluster.

with opened("local:4") as executor:
    for index, outcome in executor.run(jobs):
        ...
"""

from nfverify.executors.job import Done as Done
from nfverify.executors.job import Executor as Executor
from nfverify.executors.job import ExecutorError as ExecutorError
from nfverify.executors.job import Failed as Failed
from nfverify.executors.job import Job as Job
from nfverify.executors.job import Outcome as Outcome
from nfverify.executors.opening import opened as opened
