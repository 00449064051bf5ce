with german as (
    select ps_partkey, ps_supplycost * ps_availqty as amount
    from partsupp
    join supplier on s_suppkey = ps_suppkey
    join nation on n_nationkey = s_nationkey
    where n_name = 'GERMANY'
)
select ps_partkey, sum(amount) as stock
from german
group by ps_partkey
having sum(amount) > (select sum(amount) * {fraction} from german)
order by stock desc
