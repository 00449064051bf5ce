with offers as (
    select ps_partkey, ps_suppkey, ps_supplycost
    from partsupp
    join supplier on s_suppkey = ps_suppkey
    join nation on n_nationkey = s_nationkey
    join region on r_regionkey = n_regionkey
    where r_name = 'EUROPE'
),
cheapest as (
    select ps_partkey as partkey, min(ps_supplycost) as cost
    from offers
    group by ps_partkey
)
select s_acctbal, s_name, n_name, p_partkey, p_mfgr, s_address, s_phone, s_comment
from part
join cheapest on partkey = p_partkey
join offers on ps_partkey = p_partkey and ps_supplycost = cost
join supplier on s_suppkey = ps_suppkey
join nation on n_nationkey = s_nationkey
where p_size = 15 and p_type like '%BRASS'
order by s_acctbal desc, n_name, s_name, p_partkey
limit 100
