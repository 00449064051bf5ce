with shipping as (
    select
        seller.n_name as supp_nation,
        buyer.n_name as cust_nation,
        year(l_shipdate) as l_year,
        l_extendedprice * (1 - l_discount) as volume
    from lineitem
    join supplier on s_suppkey = l_suppkey
    join orders on o_orderkey = l_orderkey
    join customer on c_custkey = o_custkey
    join nation as seller on seller.n_nationkey = s_nationkey
    join nation as buyer on buyer.n_nationkey = c_nationkey
    where l_shipdate between date '1995-01-01' and date '1996-12-31'
)
select supp_nation, cust_nation, l_year, sum(volume) as revenue
from shipping
where (supp_nation = 'FRANCE' and cust_nation = 'GERMANY') or (supp_nation = 'GERMANY' and cust_nation = 'FRANCE')
group by supp_nation, cust_nation, l_year
order by supp_nation, cust_nation, l_year
